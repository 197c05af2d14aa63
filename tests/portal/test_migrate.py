"""Machines that start together: of two `migrate` one works and the other waits for it."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager

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
