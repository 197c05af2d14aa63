"""Django's migrate, one at a time: machines that start together would otherwise trip over each other."""

import fcntl
import os
from contextlib import contextmanager

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections

LOCK = 0x4B6F7070656C  # "Koppel", the number that an advisory lock of PostgreSQL has


class Command(migrate.Command):
    def execute(self, *args, **options):
        """Before anything else, for two first connections to a new SQLite file disturb each other too."""
        if options["plan"] or options["check_unapplied"]:
            return super().execute(*args, **options)
        with self.alone(connections[options["database"]]):
            return super().execute(*args, **options)

    @contextmanager
    def alone(self, connection):
        """Wait until no other migrate is at work on this database; a process that is killed lets go."""
        lock = _advisory_lock if connection.vendor == "postgresql" else _folder_lock
        with lock(connection, self._wait):
            yield

    def _wait(self):
        self.stdout.write("Another migrate is at work on this database: waiting until it is done.")
        self.stdout.flush()


@contextmanager
def _advisory_lock(connection, wait):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            wait()
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


@contextmanager
def _folder_lock(_connection, wait):
    folder = os.open(settings.PORTAL_DATA, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
