"""What Django's system check looks at in this project; `manage.py doctor` asks these and more."""

import difflib
import sqlite3
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register
from django.db import connections
from django.db.models import Count

from portal.settings import env

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


@register()
def variables_are_known(**kwargs):
    """A variable with a typing error in its name does nothing, and nobody sees it."""
    unknown = {name for name in env.ENVIRON if name.startswith("PORTAL_")}
    unknown -= settings.PORTAL_VARIABLES
    return [
        Warning(
            f"There is no variable {name}, so it does nothing.",
            hint=_did_you_mean(name),
            id="portal.W004",
        )
        for name in sorted(unknown)
    ]


def _did_you_mean(name):
    near = difflib.get_close_matches(name, settings.PORTAL_VARIABLES, 1)
    return f"Did you mean {near[0]}?" if near else "Take it away, or look it up in docs/operate.md."


@register()
def debug_is_off(**kwargs):
    if not settings.DEBUG:
        return []
    return [
        Warning(
            "PORTAL_DEBUG=1 shows the inside of the portal to everybody who meets an error.",
            hint="Take the variable away, but for development.",
            id="portal.W005",
        )
    ]


@register()
def hosts_are_named(**kwargs):
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "PORTAL_ALLOWED_HOSTS=* lets anybody choose the name under which the portal answers.",
            hint="Name the hosts.",
            id="portal.W006",
        )
    ]


@register(Tags.database)
def peppers_are_complete(*, databases=None, **kwargs):
    """No live key set names a pepper that this process does not have."""
    if "default" not in (databases or []):
        return []
    missing = missing_peppers()
    if not missing:
        return []
    number = sum(missing.values())
    return [
        Error(
            f"{number} live key sets hang on peppers that secrets/peppers.json does not hold: "
            f"number {', '.join(map(str, sorted(missing)))}. No call with them can be let in.",
            hint="Put the file back from a backup, or copy it from the machine where the pepper was added.",
            id="portal.E001",
        )
    ]


def missing_peppers() -> dict[int, int]:
    """The numbers of peppers that this process does not have, and how many live key sets name each.

    Before the first migration there are none.
    """
    from connections.models import KeySet  # the check is registered before the models are there

    if KeySet._meta.db_table not in connections["default"].introspection.table_names():
        return {}
    rows = KeySet.objects.kept().without_pepper().values_list("pepper")
    return dict(rows.annotate(number=Count("pk")).order_by("pepper"))
