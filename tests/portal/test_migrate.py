"""Machines that start together: of two `migrate` one works and the other waits for it."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connection

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@contextmanager
def fresh_database(tmp_path):
    """The variables of an installation with an empty database, of the kind that the tests run on."""
    variables = os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DATA": str(tmp_path / "data"),
    }
    if connection.vendor == "sqlite":
        yield variables
        return
    name = f"fresh_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        url = re.sub(r"/[^/]*$", f"/{name}", os.environ["DATABASE_URL"])
        yield variables | {"DATABASE_URL": url}
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def start(variables, *arguments):
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_three_migrations_at_once_all_end_well(tmp_path):
    with fresh_database(tmp_path) as variables:
        ends = [start(variables, "migrate") for _ in range(3)]
        said = [process.communicate(timeout=300)[0] for process in ends]
        left = start(variables, "migrate", "--check")
        left.communicate(timeout=100)

    assert [process.returncode for process in ends] == [0, 0, 0], said
    assert left.returncode == 0
    assert sum("Applying accounts.0001_initial" in text for text in said) == 1
    waited = "Another migrate is at work on this database: waiting until it is done."
    assert sum(waited in text for text in said) >= 1


def test_a_migrate_that_was_killed_lets_the_next_one_go_on(tmp_path):
    with fresh_database(tmp_path) as variables:
        killed = start(variables, "migrate")
        for line in killed.stdout:
            if "Applying accounts" in line:
                break
        killed.kill()
        killed.communicate()
        again = start(variables, "migrate")
        said = again.communicate(timeout=300)[0]

    assert again.returncode == 0, said


def test_a_database_whose_clock_is_an_hour_ahead_is_a_fault(tmp_path):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no clock of its own")
    with fresh_database(tmp_path) as variables:
        start(variables, "migrate").communicate(timeout=300)
        name = variables["DATABASE_URL"].rsplit("/", 1)[1]
        with psycopg.connect(variables["DATABASE_URL"], autocommit=True) as database:
            database.execute("CREATE SCHEMA ahead")
            database.execute(
                "CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
                " AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$"
            )
            database.execute(f"ALTER DATABASE {name} SET search_path = ahead, pg_catalog, public")
        said = start(variables, "doctor").communicate(timeout=100)[0]

    assert re.search(r"Fault: The clocks of .* are 3\d{3} seconds apart. Let NTP set both.", said)
