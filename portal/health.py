"""What watchdogs ask: does the process answer, may it get work, does somebody have to come?"""

import logging
import math
import shutil
import time
from functools import cache

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.access import public_page
from accounts.events import journal
from portal import waiting
from portal.backups import whole_ones
from portal.checks import missing_peppers

log = logging.getLogger(__name__)

WRITTEN_EVERY = 10  # seconds; the page may be asked as often as anybody likes
FULL = 50 * 1024 * 1024  # bytes that must be free
NEARLY_FULL = 1024 * 1024 * 1024
BACKUP_EVERY = 26 * 3600  # seconds

_last_write = {"at": -math.inf}  # of this process
WRITE = """
    INSERT INTO portal_cache (cache_key, value, expires) VALUES ('health', '', %s)
    ON CONFLICT (cache_key) DO UPDATE SET expires = excluded.expires
"""


class NotReady(Exception):
    """A check found what a person has to put right."""


@public_page
@require_safe
def live(request):
    return JsonResponse({"status": "ok"})


@public_page
@require_safe
def ready(request):
    """503 where this process can do no work; "attention" where it can, and somebody has to come."""
    for check, holds in NEEDED.items():
        try:
            holds()
        except (Error, OSError, NotReady) as error:
            log.warning("not ready, %s: %s", check, error)
            return JsonResponse({"status": "failing", "check": check}, status=503)
    found = [name for name, says in WATCHED.items() if says()]
    if found:
        return JsonResponse({"status": "attention", "checks": found})
    return JsonResponse({"status": "ok"})


def database_writes():
    """Ask the database, and now and then write into it: on a full disk it answers, and keeps nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        if time.monotonic() - _last_write["at"] >= WRITTEN_EVERY:
            now = connection.ops.adapt_datetimefield_value(timezone.now())
            cursor.execute(WRITE, [now])
            _last_write["at"] = time.monotonic()


@cache  # once applied they stay applied; only a failure is looked at again
def migrations_are_applied():
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("some migrations are not applied: run manage.py migrate")


@cache  # looked at again only while it fails: going through all key sets costs too much
def peppers_are_complete():
    missing = missing_peppers()
    if missing:
        raise NotReady(f"peppers.json has no key {sorted(missing)}: see manage.py doctor")


def disk_has_room():
    if shutil.disk_usage(settings.PORTAL_DATA).free < FULL:
        raise NotReady(f"{settings.PORTAL_DATA} is full: make room")


def disk_is_nearly_full():
    return shutil.disk_usage(settings.PORTAL_DATA).free < NEARLY_FULL


def backup_is_late():
    """Once there is a folder of backups there has to be a new one every night."""
    made = [file.stat().st_mtime for file in whole_ones(settings.PORTAL_BACKUPS)]
    return settings.PORTAL_BACKUPS.exists() and time.time() - max(made, default=0) > BACKUP_EVERY


NEEDED = {
    "database": database_writes,
    "migrations": migrations_are_applied,
    "peppers": peppers_are_complete,
    "disk": disk_has_room,
}
WATCHED = {
    "worker": waiting.late,
    "journal": journal.behind,
    "disk": disk_is_nearly_full,
    "backup": backup_is_late,
}
