"""`manage.py doctor` names the fault of a broken installation: real files, databases and processes."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.events import guards
from accounts.events.models import Event
from accounts.mail.models import Mail
from connections.models import KeySet
from tests.factories import connect
from tests.serving import free_port, prepare

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="what is broken here is SQLite's"),
]


def command(data, *arguments, **variables):
    """How a command ends over an installation: its exit code, and all that it says."""
    of_the_tests = ("DJANGO_ALLOW_ASYNC_UNSAFE", "DATABASE_URL", "CACHE_URL")
    own = {name: value for name, value in os.environ.items() if name not in of_the_tests}
    own |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "PORTAL_DATA": str(data)}
    ended = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=own | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ended.stdout, ended.stdout
    return ended.returncode, ended.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory, django_db_setup, django_db_blocker):
    data = tmp_path_factory.mktemp("whole") / "data"
    with django_db_blocker.unblock():
        prepare(data)
    command(data, "collectstatic", "--noinput")
    data.chmod(0o700)
    return data


@pytest.fixture
def data(whole, tmp_path):
    """An installation without a fault, to be broken."""
    return shutil.copytree(whole, tmp_path / "data")


def in_database(data, statement, *values):
    with closing(sqlite3.connect(data / "portal.sqlite3")) as database:
        database.execute(statement, values)
        database.commit()


def with_rows_of_the_test(data):
    """Take over into the installation what the test has stored."""
    (data / "portal.sqlite3").unlink()
    with closing(sqlite3.connect(data / "portal.sqlite3")) as copy:
        connection.connection.backup(copy)


def test_a_whole_installation_has_no_faults(data):
    code, said = command(data, "doctor")

    assert (code, said.splitlines()[-1]) == (0, "No faults.")
    assert "Fault:" not in said


# Variables


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PORTAL_BASE_UR": "https://x.example"}, "Did you mean PORTAL_BASE_URL?"),
        ({"PORTAL_BASE_URL": "http://x.example"}, "Passwords and keys travel unencrypted to"),
        (
            {"PORTAL_BASE_URL": "https://x.example", "PORTAL_HTTPS": "1"},
            "Set PORTAL_PROXIES=1",
        ),
        ({"PORTAL_DEBUG": "1"}, "PORTAL_DEBUG=1 shows the inside of the portal"),
        ({"PORTAL_ALLOWED_HOSTS": "*"}, "Name the hosts."),
    ],
)
def test_a_doubtful_variable_is_an_advice(data, variables, sentence):
    code, said = command(data, "doctor", **variables)

    assert code == 0, said
    assert sentence in said


@pytest.mark.parametrize("name", ["doctor", "serve", "migrate"])
def test_a_wrong_variable_is_one_sentence_and_no_start(data, name):
    code, said = command(data, name, PORTAL_PROXIES="two")

    sentence = "PORTAL_PROXIES has a value that cannot be read: 'two'."
    assert (code, said) == (1, f"Koppel does not start: {sentence}\n")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORTAL_HTTPS", "maybe"),
        ("PORTAL_BASE_URL", "portal.example"),
        ("PORTAL_BASE_URL", "https://[x"),
        ("PORTAL_DATA", "/proc/x"),
        ("DATABASE_URL", "mysql://u:hush@h/x"),
        ("DATABASE_URL", "postgres://u:hush@h:port/x"),
        ("CACHE_URL", "memcached"),
        ("PORTAL_EMAIL_URL", "smtp://u:hush@h:port"),
    ],
)
def test_no_wrong_value_is_let_pass_nor_a_password_shown(data, variable, value):
    code, said = command(data, "doctor", **{variable: value})

    assert code == 1
    assert variable in said
    assert "hush" not in said


# Files


def test_a_pepper_that_others_can_read(data):
    command(data, "check")
    path = data / "secrets" / "peppers.json"
    path.chmod(0o644)

    code, said = command(data, "doctor")

    assert (code, f"run chmod 600 {path}" in said) == (1, True)


def test_a_folder_of_secrets_that_others_can_read(data):
    command(data, "check")
    (data / "secrets").chmod(0o755)

    code, said = command(data, "doctor")

    assert (code, f"Run chmod 700 {data}/secrets" in said) == (1, True)


def test_data_that_others_can_read_is_an_advice(data):
    data.chmod(0o755)

    assert f"Run chmod o-rwx {data}" in command(data, "doctor")[1]


def test_missing_static_files(data):
    (data / "static" / "staticfiles.json").unlink()

    code, said = command(data, "doctor")

    assert (code, "Run manage.py collectstatic --noinput" in said) == (1, True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk(data, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=20m none {small}"):  # noqa: S605
        pytest.skip("this machine lets nobody mount")
    try:
        command(data, "check")
        shutil.copytree(data, small / "data")
        os.system(f"cat /dev/zero > {small}/filler 2> /dev/null")  # noqa: S605

        code, said = command(small / "data", "doctor")
    finally:
        os.system(f"umount {small}")  # noqa: S605

    assert code == 1
    assert "/small/data has 0 MB left. Make room" in said


# Neighbours


def test_a_database_that_is_away(data):
    url = f"postgres://u:hush@127.0.0.1:{free_port()}/x"

    code, said = command(data, "doctor", DATABASE_URL=url)

    assert code == 1
    assert "The database does not answer: " in said
    assert "Look at DATABASE_URL" in said
    assert "hush" not in said


def test_a_redis_that_is_away(data):
    code, said = command(data, "doctor", CACHE_URL=f"redis://127.0.0.1:{free_port()}")

    assert (code, "The cache does not answer: " in said) == (1, True)


def test_a_mail_server_that_is_away(data):
    url = f"smtp://u:hush@127.0.0.1:{free_port()}"

    code, said = command(data, "doctor", PORTAL_EMAIL_URL=url)

    assert code == 1
    assert "The mail server does not take our mails: " in said
    assert "hush" not in said


# The database


def test_a_migration_behind(data):
    in_database(data, "DELETE FROM django_migrations WHERE app = 'autopilot'")

    code, said = command(data, "doctor")

    assert (code, "the first is autopilot.0001" in said) == (1, True)
    assert "Run manage.py migrate" in said


def test_a_migration_ahead_is_an_advice(data):
    in_database(
        data,
        "INSERT INTO django_migrations (app, name, applied) VALUES ('accounts', '0099_x', ?)",
        str(timezone.now()),
    )

    code, said = command(data, "doctor")

    assert (code, "by accounts.0099_x for example" in said) == (0, True)


def test_guards_that_were_taken_down(data):
    in_database(data, guards.down("sqlite")[0])

    code, said = command(data, "doctor")

    assert (code, "The database does not guard the activity log" in said) == (1, True)


@pytest.mark.parametrize("name", ["doctor", "serve", "check"])
def test_a_pepper_that_is_missing(data, name):
    connect(), connect()
    KeySet.objects.update(pepper=7)
    with_rows_of_the_test(data)
    arguments = ["check", "--database", "default"] if name == "check" else [name]

    code, said = command(data, *arguments, PORT=str(free_port()))

    assert code == 1
    assert (
        "2 live key sets hang on peppers that secrets/peppers.json does not hold: number 7" in said
    )


def test_a_worker_that_does_not_run(data):
    long_ago = timezone.now() - timedelta(minutes=11)
    Mail.objects.create(to="a@b.example", sender="k@b.example", subject="S", send_after=long_ago)
    with_rows_of_the_test(data)

    code, said = command(data, "doctor")

    assert (code, "The worker is not running: 1 mails have waited" in said) == (1, True)


def test_a_clock_that_went_back(data):
    connect()
    event = Event.objects.last()
    event.pk, event.at = None, timezone.now() + timedelta(hours=1)
    Event.objects.bulk_create([event])
    with_rows_of_the_test(data)

    code, said = command(data, "doctor")

    assert (code, "the clock of this machine is behind, or was ahead" in said) == (1, True)


def test_what_the_report_says_twice_is_the_same(data):
    """Looking changes nothing: neither the file of peppers nor the report."""
    command(data, "check")
    before = json.loads((data / "secrets" / "peppers.json").read_text())

    assert command(data, "doctor") == command(data, "doctor")
    assert json.loads((data / "secrets" / "peppers.json").read_text()) == before
