"""What a load balancer or a watchdog asks: does the process answer, and may it get work?"""

import logging
from functools import cache

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.http import require_safe

from accounts.access import public_page
from portal.checks import missing_peppers

log = logging.getLogger(__name__)


class NotReady(Exception):
    """A check found what a person has to put right."""


@public_page
@require_safe
def live(request):
    return JsonResponse({"status": "ok"})


@public_page
@require_safe
def ready(request):
    check = "database"
    try:
        database_answers()
        check = "migrations"
        migrations_are_applied()
        check = "peppers"
        peppers_are_complete()
    except (Error, NotReady) as error:
        log.warning("not ready, %s: %s", check, error)
        return JsonResponse({"status": "failing", "check": check}, status=503)
    return JsonResponse({"status": "ok"})


def database_answers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


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
