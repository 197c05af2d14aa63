"""What Django's system check looks at in this project."""

import sqlite3
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Tags, Warning, register
from django.db import connections

SAFE_SQLITE = (3, 51, 3)
HERE = ("localhost", "127.0.0.1", "::1")


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


@register(Tags.security)
def secrets_travel_encrypted(**kwargs):
    """Warn where passwords and keys would cross a network in clear, or where nobody could get in."""
    warnings = []
    if not settings.PORTAL_HTTPS and urlsplit(settings.PORTAL_BASE_URL).hostname not in HERE:
        warnings.append(
            Warning(
                f"Passwords and keys travel unencrypted to {settings.PORTAL_BASE_URL}.",
                hint="Put nginx with a certificate in front (docs/operate.md), and begin "
                "PORTAL_BASE_URL with https://.",
                id="portal.W002",
            )
        )
    if settings.PORTAL_HTTPS and not settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        warnings.append(
            Warning(
                "PORTAL_PROXIES is missing, so every page redirects to https for ever.",
                hint="Set PORTAL_PROXIES=1: the proxy that speaks https tells the portal so.",
                id="portal.W003",
            )
        )
    return warnings
