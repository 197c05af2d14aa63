"""What Django's system check looks at in this project."""

import sqlite3

from django.core.checks import Tags, Warning, register
from django.db import connections

SAFE_SQLITE = (3, 51, 3)


@register(Tags.database)
def sqlite_is_recent(*, databases=None, **kwargs):
    """Warn of SQLite's "WAL-reset bug": two writers at once can damage the database."""
    used = any(connections[alias].vendor == "sqlite" for alias in databases or [])
    if not used or sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return []
    return [
        Warning(
            f"SQLite {sqlite3.sqlite_version} has a rare bug that can damage the database.",
            hint="For data that matter set DATABASE_URL to a PostgreSQL database, "
            "or use a Python with SQLite 3.51.3 or newer.",
            id="portal.W001",
        )
    ]
