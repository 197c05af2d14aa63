"""A backup is whole or not there; putting it back revives nothing that has ended since."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection as database

from accounts.events import journal
from portal import backups
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.serving import Caller, environment_of, serving

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ON_POSTGRESQL = database.vendor == "postgresql"


class Installation:
    """An installation of its own, with the server keys of the tests and a copy of their database."""

    def __init__(self, data):
        self.data = data
        self.backups = data / "backups"
        self.name = f"koppel_backup_{os.getpid()}"
        self.env = environment_of(data)
        if ON_POSTGRESQL:
            server = os.environ["DATABASE_URL"].rpartition("/")[0]
            self.env["DATABASE_URL"] = f"{server}/{self.name}"

    def manage(self, *arguments):
        """What a command says, and the code with which it ends."""
        return self.python("manage.py", *arguments, "--skip-checks")

    def python(self, *arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=django_settings.BASE_DIR,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr, done.returncode

    def run(self, script, *arguments):
        said, code = self.python("-c", f"import django, sys; django.setup()\n{script}", *arguments)
        assert code == 0, said
        return said

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments, "--skip-checks"],
            cwd=django_settings.BASE_DIR,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def backup(self, *arguments):
        """Make a backup and answer its file."""
        said, code = self.manage("backup", *arguments)
        assert code == 0, said
        return self.files()[-1]

    def files(self):
        return sorted(it for it in self.backups.glob("koppel-*") if it.suffix != ".json")

    def restore(self, file, *arguments):
        said, code = self.manage("restore", str(file), *arguments)
        assert code == 0, said
        return said

    def opens(self, *pairs):
        """The status that the API answers to each pair of keys."""
        keys = json.dumps([[pair.app_key, pair.secret.reveal()] for pair in pairs])
        return json.loads(self.run(CALL, keys))


CALL = """
import base64, json
from django.test import Client
def status(app_key, secret):
    pair = base64.b64encode(f"{app_key}:{secret}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}", "Host": "localhost"}
    return Client().get("/api/v1/me", headers=headers).status_code
print(json.dumps([status(*pair) for pair in json.loads(sys.argv[1])]))
"""


@contextmanager
def own_database(name):
    """A copy of the database of the tests, on PostgreSQL, under this name."""
    template = database.settings_dict["NAME"]
    database.close()
    with database._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield
    finally:
        with database._nodb_cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}%"])
            for (found,) in cursor.fetchall():
                cursor.execute(f'DROP DATABASE "{found}" WITH (FORCE)')


@pytest.fixture
def install(tmp_path):
    """Make an installation of what the test has written so far."""
    open_ones = []

    def installed(data=tmp_path / "data"):
        data.mkdir(exist_ok=True)
        shutil.copytree(django_settings.PORTAL_DATA / "secrets", data / "secrets")
        made = Installation(data)
        if ON_POSTGRESQL:
            copy = own_database(made.name)
            copy.__enter__()
            open_ones.append(copy)
        else:
            with closing(sqlite3.connect(data / "portal.sqlite3")) as copy:
                database.ensure_connection()
                database.connection.backup(copy)
        return made

    yield installed
    for copy in open_ones:
        copy.__exit__(None, None, None)


END = """
import json, uuid
from accounts import closing
from accounts import services as accounts
from accounts.models import Environment, User
from connections.models import Connection
from connections import services
from partners.models import Mandate, Partnership
from partners import services as partners

todo = json.loads(sys.argv[1])
def connections(name):
    return Connection.objects.filter(pk__in=todo[name])
for it in connections("revoke"):
    services.revoke(connection=it, by=it.owner)
for it in connections("renew"):
    services.create_new_keys(connection=it, by=it.owner, op_id=uuid.uuid4())
for it in connections("pause"):
    services.pause(connection=it, by=it.owner)
for it in Partnership.objects.all():
    services.end_partnership(partnership=it, by=it.client.users.first())
for it in connections("remove"):
    by = it.owner.environment.users.get(role="administrator")
    accounts.remove(user=it.owner, by=by)
for it in connections("block"):
    by = it.owner.environment.users.get(role="administrator")
    accounts.block(user=it.owner, by=by)
for it in connections("lower"):
    by = it.owner.environment.users.get(role="administrator")
    accounts.change_role(user=it.owner, role="basic", by=by)
for it in connections("leave"):
    accounts.delete_account(user=it.owner)
for it in connections("close"):
    environment = it.owner.environment
    by = environment.users.get(role="administrator")
    closing.close(environment=environment, seen=closing.fingerprint(environment), by=by)
"""

WAYS = {
    "revoke": 30,
    "renew": 20,
    "pause": 10,
    "remove": 5,
    "block": 5,
    "lower": 5,
    "leave": 5,
    "close": 5,
}
THROUGH_PARTNERSHIPS = 15


def a_hundred_that_will_end():
    """How each of a hundred connections will end, as `{way: numbers}`, with all of their keys."""
    app, todo, pairs = AppFactory(), {}, []
    for way, number in WAYS.items():
        todo[way] = []
        for _turn in range(number):
            owner = MembershipFactory(user__advanced=True).user
            UserFactory(administrator=True, environment=owner.environment)
            connection, pair = connect(owner, app=app)
            todo[way].append(connection.pk)
            pairs.append(pair)
    accountant = UserFactory(advanced=True, environment__accountant=True)
    for _turn in range(THROUGH_PARTNERSHIPS):
        mandate = let_in(accountant, app=app)
        pairs.append(connect(accountant, mandate.organisation, app=app)[1])
    return json.dumps(todo), pairs


def test_none_of_a_hundred_keys_that_ended_works_after_the_backup_is_put_back(install):
    todo, pairs = a_hundred_that_will_end()
    control = [connect()[1] for _turn in range(3)]
    here = install()
    file = here.backup()
    assert set(here.opens(*pairs, *control)) == {200}
    here.run(END, todo)
    assert len(pairs) == 100
    ended = here.opens(*pairs)
    assert 200 not in ended

    said = here.restore(file)

    assert here.opens(*control) == [200] * 3
    assert 200 not in here.opens(*pairs)
    assert f"Ended again: {THROUGH_PARTNERSHIPS} partnerships" in said
    assert here.manage("verify_events")[1] == 0
    again = here.restore(file)
    assert here.opens(*pairs, *control).count(200) == 3
    assert "Ended again: 15 partnerships" in again
    here.manage("work", "--once")
    later = here.backup()
    assert "By the journal nothing has ended since" in here.restore(later)
    assert here.opens(*pairs, *control).count(200) == 3
    assert here.manage("verify_events")[1] == 0


@pytest.mark.skipif(ON_POSTGRESQL, reason="the processes do not depend on the database")
def test_over_http_with_the_portal_running_before_and_after(install):
    todo, pairs = a_hundred_that_will_end()
    here = install()
    with serving(here.data) as portal:
        file = here.backup()  # while it serves
        here.run(END, todo)
        said, code = here.manage("restore", str(file))
        assert (code, "stop it first" in said) == (1, True)
        assert 200 not in statuses(portal, pairs)

    here.restore(file)

    with serving(here.data) as portal:
        assert 200 not in statuses(portal, pairs)


def statuses(portal, pairs):
    """The status that the served API answers to each pair of keys."""
    found = []
    for pair in pairs:
        caller = Caller(portal.url, pair.app_key, pair.secret.reveal())
        with closing(caller.connection):
            found.append(caller.me())
    return found


def test_without_its_journal_nothing_is_put_back_unless_somebody_insists(install):
    connection, pair = connect()
    here = install()
    file = here.backup()
    here.run(REVOKE, str(connection.pk))
    moved = here.data / "elsewhere"
    (here.data / "journal").rename(moved)

    said, code = here.manage("restore", str(file))
    assert (code, "There is no journal" in said) == (1, True)
    here.restore(file, "--journal", str(moved))
    assert here.opens(pair) == [401]
    said = here.restore(file, "--without-journal")
    assert "what ended since is alive again" in said
    assert here.opens(pair) == [200]


REVOKE = """
from connections.models import Connection
from connections.services import revoke
for pk in sys.argv[1:]:
    connection = Connection.objects.get(pk=pk)
    revoke(connection=connection, by=connection.owner)
"""


def test_it_names_the_keys_that_were_made_after_the_backup(install):
    connection, old = connect()
    here = install()
    file = here.backup()
    made = here.run(NEW_KEYS, str(connection.pk)).strip()

    said = here.restore(file)

    assert f"  {made}\n" in said
    assert here.opens(old) == [401]


NEW_KEYS = """
from connections.models import Connection
connection = Connection.objects.get(pk=sys.argv[1])
print(create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4()).app_key)
"""


def test_whoever_changed_the_way_to_sign_in_takes_a_new_one(install):
    stolen, moved, other = (UserFactory(administrator=True, with_login=True) for _turn in range(3))
    here = install()
    file = here.backup()
    here.run(CHANGE_LOGINS, str(stolen.pk), str(moved.pk))

    said = here.restore(file)

    logins = json.loads(here.run(LOGINS, *(str(it.pk) for it in (stolen, moved, other))))
    assert logins == [
        [False, stolen.email],
        [False, f"changed-{moved.pk}@changed.invalid"],
        [True, other.email],
    ]
    assert f"give them the new one in the admin, numbers {moved.pk}\n" in said


CHANGE_LOGINS = """
from accounts.models import User
from accounts.services import note_login_change
for pk, method in zip(sys.argv[1:], ("password_changed", "email_changed")):
    note_login_change(user=User.objects.get(pk=pk), method=method)
"""
LOGINS = """
import json
from accounts.models import User
users = [User.objects.get(pk=pk) for pk in sys.argv[1:]]
print(json.dumps([[user.has_usable_password(), user.email] for user in users]))
"""


def test_whoever_was_forgotten_is_forgotten_again(install):
    member = MembershipFactory(user__advanced=True, user__first_name="Wilhelmina")
    UserFactory(administrator=True, environment=member.user.environment)
    connect(member.user)
    here = install()
    file = here.backup()
    here.run(
        "from accounts.models import User; from accounts.services import delete_account\n"
        "delete_account(user=User.objects.get(pk=sys.argv[1]))",
        str(member.user.pk),
    )

    here.restore(file)

    names = here.run(
        "from accounts.models import User; from accounts.events.models import Event\n"
        "print([*User.objects.values_list('first_name', 'email')], [*Event.objects.values('actor_name',"
        " 'subject_name', 'details')])"
    )
    assert "Wilhelmina" not in names
    assert member.user.email not in names


def test_a_pause_that_was_ended_since_is_none_and_a_pause_made_since_is_one(install):
    (resumed, first), (paused, second) = connect(), connect()
    here = install()
    file = here.backup()
    here.run(PAUSES, str(resumed.pk), str(paused.pk))

    here.restore(file)

    assert here.opens(first, second) == [200, 403]


PAUSES = """
from connections.models import Connection
from connections.services import pause, resume
resumed, paused = (Connection.objects.get(pk=pk) for pk in sys.argv[1:])
pause(connection=resumed, by=resumed.owner)
resume(connection=resumed, by=resumed.owner)
pause(connection=paused, by=paused.owner)
"""


def test_a_number_that_was_given_again_after_a_restore_is_nobody_else(install):
    owner = UserFactory(administrator=True)
    here = install()
    file = here.backup()
    invited = [here.run(INVITE, str(owner.pk), f"new{turn}@example.com", file) for turn in "12"][0]
    here.run(
        "from accounts.models import User; from accounts.services import block\n"
        "block(user=User.objects.get(pk=sys.argv[2]), by=User.objects.get(pk=sys.argv[1]))",
        str(owner.pk),
        invited.strip(),
    )
    here.restore(file)

    newcomer = here.run(INVITE, str(owner.pk), "newcomer@example.com", file).strip()
    here.restore(here.backup())

    assert newcomer != invited.strip()
    active = "from accounts.models import User; print(User.objects.get(pk=sys.argv[1]).is_active)"
    assert here.run(active, newcomer).strip() == "True"


INVITE = """
from accounts.models import User
from accounts.services import invite
by = User.objects.get(pk=sys.argv[1])
made = invite(environment=by.environment, email=sys.argv[2], role="basic", organisations=[], by=by)
print(made.pk)
"""


def test_people_sign_in_anew(install, client):
    client.force_login(UserFactory(administrator=True))
    here = install()
    file = here.backup()

    here.restore(file)

    count = "from django.contrib.sessions.models import Session; print(Session.objects.count())"
    assert here.run(count).strip() == "0"


def test_the_log_says_which_lines_were_lost(install):
    connection, _pair = connect()
    here = install()
    here.manage("work", "--once")
    file = here.backup()
    here.run(REVOKE, str(connection.pk))
    here.manage("work", "--once")
    said, code = here.manage("verify_events")
    assert code == 0

    assert "Lines of the activity logs that are lost: 1.\n" in here.restore(file)

    details = here.run(
        "from accounts.events.models import Event\n"
        "print(*(it.details_in_words for it in Event.objects.filter(action='log.restored')))"
    )
    assert "lost lines: 2–2" in details
    here.manage("work", "--once")
    said, code = here.manage("verify_events")
    assert (code, "cut off" in said) == (0, False)


def changed(file, edit):
    manifest = json.loads(backups.manifest_of(file).read_text())
    manifest.pop("seal")
    edit(manifest)
    backups.write_manifest(file, manifest)


def spoil(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def without_seal(file):
    manifest = backups.manifest_of(file)
    manifest.write_text(manifest.read_text().replace('"rows"', '"rowz"'))


SPOILED = {
    "a bit": (spoil, "is damaged"),
    "no manifest": (lambda file: backups.manifest_of(file).unlink(), "a backup is both files"),
    "manifest cut short": (
        lambda file: backups.manifest_of(file).write_text('{"made": '),
        "cannot be read",
    ),
    "manifest changed": (without_seal, "was changed"),
    "another engine": (
        lambda file: changed(file, lambda it: it.update(engine="oracle")),
        "This is a backup of oracle",
    ),
    "newer version": (
        lambda file: changed(file, lambda it: it["migrations"].append("accounts.0099_later")),
        "newer version of the portal (accounts.0099_later)",
    ),
    "another pepper": (
        lambda file: changed(file, lambda it: it["server_keys"].update({"pepper 7": "0" * 16})),
        "Server keys of the backup are not in secrets/: pepper 7",
    ),
}


def test_what_cannot_be_put_back_is_refused_and_changes_nothing(install):
    _connection, pair = connect()
    here = install()
    file = here.backup()

    for how, (bend, words) in SPOILED.items():
        folder = here.data / how.replace(" ", "-")
        shutil.copytree(here.backups, folder)
        bend(folder / file.name)
        said, code = here.manage("restore", str(folder / file.name))
        assert (code, words in said) == (1, True), (how, said)
        assert "Traceback" not in said
    assert here.opens(pair) == [200]


def test_while_somebody_uses_the_database_nothing_is_put_back(install):
    here = install()
    file = here.backup()
    with here.start("work") as worker:
        try:
            wait_for_worker(here)
            said, code = here.manage("restore", str(file))
        finally:
            worker.terminate()

    assert (code, "stop" in said, "first" in said) == (1, True, True), said


def wait_for_worker(here):
    """The worker has the database open as soon as the waiting lines have their place."""
    waiting = "from accounts.events.models import Event; print(Event.objects.waiting().count())"
    for _turn in range(100):
        if here.run(waiting).strip() == "0":
            return
    raise AssertionError("the worker does nothing")


def test_a_backup_that_is_killed_leaves_no_half_one(install):
    for _turn in range(5):
        connect()
    here = install()
    first = here.backup()

    for _turn in range(3):
        with here.start("backup") as process:
            while process.poll() is None and not [*here.backups.glob(".koppel-*.part")]:
                pass
            process.kill()

    assert [*here.backups.glob(".koppel-*.part")], "it was never killed in the middle"
    for file in here.files():
        if backups.manifest_of(file).exists():
            assert json.loads(backups.manifest_of(file).read_text())["sha256"] == backups.digest(
                file
            )
    old = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for part in here.backups.glob(".koppel-*.part"):
        os.utime(part, (old, old))
    here.backup()
    assert not [*here.backups.glob(".koppel-*.part")]
    assert first.exists()


def test_a_restore_that_is_killed_leaves_the_old_database_whole(install):
    connection, old = connect()
    here = install()
    file = here.backup()
    made = here.run(NEW_KEYS, str(connection.pk)).strip()

    for _turn in range(3):
        with here.start("restore", str(file)) as process:
            while process.poll() is None and not is_restoring(here):
                pass
            process.kill()
        current = (
            "from connections.models import KeySet; print(*KeySet.objects.values_list('app_key'))"
        )
        assert made in here.run(current)
        assert here.manage("verify_events")[1] == 0
    here.restore(file)
    assert here.opens(old) == [401]


def is_restoring(here):
    if not ON_POSTGRESQL:
        return (here.data / "portal.sqlite3.restoring").exists()
    with database._nodb_cursor() as cursor:
        name = f"{here.name}_restoring"
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone()


@contextmanager
def small_disk(folder, size):
    """A disk of its own at `folder`; who may not mount one skips."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root mounts a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607


def test_a_full_disk_leaves_no_half_backup(install, tmp_path):
    here = install()
    with small_disk(tmp_path / "small", "128k") as small:
        said, code = here.manage("backup", str(small))

        assert (code, "There is no backup" in said or "failed" in said) == (1, True), said
        assert "Traceback" not in said
        assert [*small.iterdir()] == []


@pytest.mark.skipif(ON_POSTGRESQL, reason="the disk of the server is not ours")
def test_a_full_disk_leaves_the_old_database_whole(install, tmp_path):
    _connection, pair = connect()
    with small_disk(tmp_path / "small", "6m") as small:
        here = install(small)
        file = here.backup()
        filling = (
            small.stat().st_dev
            and shutil.disk_usage(small).free - (small / "portal.sqlite3").stat().st_size
        )
        (small / "filling").write_bytes(bytes(max(filling - 200_000, 0)))

        said, code = here.manage("restore", str(file))

        assert (code, "Nothing was put back" in said) == (1, True), said
        assert not [*small.glob("*.restoring*"), *small.glob("*-before-*")]
        (small / "filling").unlink()
        assert here.opens(pair) == [200]


def test_old_backups_go_but_never_the_newest(tmp_path):
    def made(days):
        stamp = datetime.now(UTC) - timedelta(days=days)
        file = tmp_path / f"koppel-{stamp:%Y%m%dT%H%M%SZ}.sqlite3"
        file.touch()
        backups.manifest_of(file).touch()
        return file

    oldest, old, newest = made(90), made(50), made(40)

    assert backups.drop_old(tmp_path, 35) == [oldest, old]
    assert sorted(tmp_path.iterdir()) == [newest, backups.manifest_of(newest)]
    assert backups.drop_old(tmp_path, 35) == []


def test_nothing_secret_is_in_the_manifest_and_nobody_else_reads_it(install):
    _connection, pair = connect()
    here = install()
    file = here.backup()

    text = backups.manifest_of(file).read_text()

    assert pair.app_key not in text
    for key in (here.data / "secrets").iterdir():
        assert key.read_text().strip() not in text
    for made in (file, backups.manifest_of(file)):
        assert made.stat().st_mode & 0o777 == 0o600


def test_a_bent_log_is_told_and_the_backup_made(install):
    connect()
    here = install()
    here.manage("work", "--once")
    here.run(
        "from django.db import connection; from accounts.events import guards\n"
        "with connection.cursor() as cursor:\n"
        "    for it in [*guards.down(connection.vendor), 'UPDATE events_event SET subject_ref = 7',"
        " *guards.sql(connection.vendor)]:\n"
        "        cursor.execute(it)"
    )

    said, code = here.manage("backup")

    assert (code, "Line 1 was changed" in said, "The backup is whole, but" in said) == (
        1,
        True,
        True,
    )
    assert len(here.files()) == 1


def commands():
    """The commands that docs/backup.md shows."""
    text = (Path(django_settings.BASE_DIR) / "docs/backup.md").read_text()
    return [line for line in text.splitlines() if line.startswith(".venv/bin/python manage.py ")]


def test_every_command_of_the_page_about_backups_works(install):
    connect()
    here = install()
    file = here.backup()
    values = {
        "/srv/backups/koppel-20261122T023000Z.sqlite3": str(file),
        "/srv/backups": str(here.backups),
        "/srv/journals": str(here.data / "journal"),
    }
    shown = commands()
    assert len(shown) >= 4
    for line in shown:
        for example, value in values.items():
            line = line.replace(example, value)
        said, code = here.manage(*line.split()[2:])
        assert code == 0, (line, said)


def test_the_journal_of_another_machine_counts_too(install):
    connection, pair = connect()
    here = install()
    file = here.backup()
    here.run(REVOKE, str(connection.pk))
    own = journal.path().name
    (here.data / "journal" / own).rename(here.data / "other-machine.jsonl")
    (here.data / "journal" / own).touch()

    here.restore(file, "--journal", str(here.data / "other-machine.jsonl"))

    assert here.opens(pair) == [401]
