"""Looks over a whole installation and says in sentences what is wrong with it and what to do.

A question is a function that yields findings; what Django's system check asks too is in portal/checks.py.
"""

import os
import shutil
import smtplib
import stat
from datetime import timedelta

from django.conf import settings
from django.core import checks
from django.core.cache import caches
from django.core.mail import get_connection
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseFault
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.events import guards
from accounts.events.models import Event
from accounts.mail.models import Mail

DRIFT = timedelta(seconds=5)
WAITS = timedelta(minutes=10)  # a worker at work leaves nothing that long
FULL, NEARLY_FULL = 100, 1000  # MB that are free


class Command(BaseCommand):
    help = (
        "Says what is wrong with this installation and what to do; ends with 1 when something is."
    )
    requires_system_checks = []  # it asks them itself, when the database answers

    def handle(self, **options):
        faults = 0
        for finding in findings():
            is_fault = finding.level >= checks.ERROR
            faults += is_fault
            style = self.style.ERROR if is_fault else self.style.WARNING
            kind = "Fault" if is_fault else "Advice"
            text = " ".join(filter(None, [finding.msg, finding.hint]))
            self.stdout.write(style(f"{kind}: {text}"))
        if faults:
            raise CommandError(f"{faults} faults." if faults > 1 else "One fault.")
        self.stdout.write("No faults.")


def findings():
    """All there is to say, the files and settings first."""
    yield from secrets_are_private()
    yield from data_folder()
    yield from disk_has_room()
    yield from static_files_are_collected()
    yield from mail_server_answers()
    away = list(database_answers())
    migrations = away or list(migrations_are_applied())
    yield from migrations
    behind = any(finding.level >= checks.ERROR for finding in migrations)
    yield from system_checks(with_database=not behind)
    yield from cache_answers("limits" if behind else "default")
    if not behind:
        yield from guards_stand()
        yield from clocks_agree()
        yield from worker_works()


def system_checks(*, with_database):
    found = checks.run_checks(
        include_deployment_checks=settings.PORTAL_HTTPS,
        databases=["default"] if with_database else None,
    )
    return [finding for finding in found if not finding.is_silenced()]


def secrets_are_private():
    """The files that are read at the start are refused there; this sees the folder, and all else in it."""
    folder = settings.PORTAL_DATA / "secrets"
    for path in [folder, *sorted(folder.iterdir())]:
        if path.stat().st_mode & 0o077:
            mode = "700" if path.is_dir() else "600"
            yield checks.Error(
                f"{path} can be read by other users.", hint=f"Run chmod {mode} {path}"
            )


def data_folder():
    folder = settings.PORTAL_DATA
    if not os.access(folder, os.W_OK | os.X_OK):
        yield checks.Error(
            f"{folder} cannot be written by this user.",
            hint="Give the folder to the user of the portal: chown -R.",
        )
    if folder.stat().st_mode & stat.S_IRWXO:
        yield checks.Warning(
            f"{folder}, with database and mails, is open to other users.",
            hint=f"Run chmod o-rwx {folder}",
        )


def disk_has_room():
    free = shutil.disk_usage(settings.PORTAL_DATA).free // 1_000_000
    if free < NEARLY_FULL:
        kind = checks.Error if free < FULL else checks.Warning
        yield kind(
            f"The disk of {settings.PORTAL_DATA} has {free} MB left.",
            hint="Make room, or move the folder to a larger disk.",
        )


def static_files_are_collected():
    needed = "Manifest" in settings.STORAGES["staticfiles"]["BACKEND"]
    if needed and not (settings.STATIC_ROOT / "staticfiles.json").exists():
        yield checks.Error(
            "The static files are not collected: pages answer with an error.",
            hint="Run manage.py collectstatic --noinput",
        )


def mail_server_answers():
    """Connects, greets and logs in where there is a login, for 10 seconds at most; sends nothing."""
    if not settings.PORTAL_EMAIL_URL:
        yield checks.Warning(
            f"Mails are written to {settings.EMAIL_FILE_PATH}, and nobody gets them.",
            hint="Name a mail server in PORTAL_EMAIL_URL.",
        )
        return
    try:
        with get_connection(settings.DELIVERY_BACKEND) as server:
            if hasattr(server, "connection"):
                server.connection.ehlo()
    except (OSError, smtplib.SMTPException) as error:
        yield checks.Error(
            f"The mail server does not take our mails: {error}.",
            hint="Look at PORTAL_EMAIL_URL: host, port, user and password. Mails wait until it works.",
        )


def database_answers():
    try:
        connection.ensure_connection()
    except DatabaseFault as error:  # too old a version, too
        yield checks.Error(
            f"The database does not answer: {str(error).strip()}.",
            hint="Look at DATABASE_URL, and whether the database runs.",
        )


def migrations_are_applied():
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    waiting = executor.migration_plan(graph.leaf_nodes())
    if waiting:
        yield checks.Error(
            f"The database is behind this release by {len(waiting)} migrations, the first is "
            f"{waiting[0][0]}.",
            hint="Run manage.py migrate",
        )
    ahead = sorted(executor.loader.applied_migrations.keys() - graph.nodes.keys())
    if ahead:
        yield checks.Warning(
            f"A newer release has migrated the database, by {'.'.join(ahead[0])} for example.",
            hint="Run that release on this machine too.",
        )


def cache_answers(alias):
    # A Redis that is away hurts nobody at once (decision 32), so it is asked itself.
    cache = caches[alias].redis if settings.CACHE_URL else caches[alias]
    try:
        cache.set("doctor", os.getpid(), 10)
        answer = cache.get("doctor")
        cache.delete("doctor")
    except Exception as error:  # whatever the client of the cache raises
        yield checks.Error(
            f"The cache does not answer: {error}.",
            hint="Look at CACHE_URL, and whether Redis runs. Until then each process counts by itself.",
        )
        return
    if answer != os.getpid():
        yield checks.Error(
            "The cache forgets at once what is written to it.",
            hint="Look at CACHE_URL, and whether Redis has memory left.",
        )


def guards_stand():
    if not guards.stand():
        yield checks.Error(
            "The database does not guard the activity log: its lines can be changed.",
            hint="Run manage.py migrate, then manage.py verify_events",
        )


def clocks_agree():
    """Compares with the clock of the database, and with the newest line that was ever written."""
    now = timezone.now()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            apart = cursor.fetchone()[0] - now
        if abs(apart) > DRIFT + (timezone.now() - now):
            yield checks.Error(
                f"The clocks of this machine and of the database are {abs(apart).total_seconds():.0f} "
                "seconds apart.",
                hint="Let NTP set both.",
            )
    newest = Event.objects.order_by("-pk").values_list("at", flat=True).first()
    if newest and newest > timezone.now() + DRIFT:
        yield checks.Error(
            f"The newest line of the activity log is of {newest:%Y-%m-%d %H:%M} UTC, which is still to come: "
            "the clock of this machine is behind, or was ahead.",
            hint="Let NTP set it.",
        )


def worker_works():
    before = timezone.now() - WAITS
    mails = Mail.objects.due(before)
    lines = Event.objects.waiting().filter(at__lt=before)
    waiting = {"mails": mails.count(), "lines of the activity log": lines.count()}
    said = " and ".join(f"{number} {what}" for what, number in waiting.items() if number)
    if said:
        yield checks.Error(
            f"The worker is not running: {said} have waited for more than ten minutes.",
            hint="Start manage.py serve, or manage.py work where the worker runs for itself.",
        )
