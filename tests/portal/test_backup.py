"""A backup is whole or not there; putting it back revives nothing that has ended since."""

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.db import transaction
from django.test import Client

from accounts import closing as closing_of_environments
from accounts import services as accounts
from accounts.events import guards, journal
from accounts.events.models import Action, Event
from accounts.models import User
from accounts.roles import Role
from connections import services
from connections.models import KeySet
from partners.models import Partnership
from portal import backups
from portal.management.commands import work
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.serving import Caller, environment_of, serving, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ON_POSTGRESQL = database.vendor == "postgresql"
NAME = f"koppel_backup_{os.getpid()}"


class Installation:
    """A folder and a copy of the database of the tests, in which this process works."""

    def __init__(self, data):
        self.data = data
        self.backups = data / "backups"

    def backup(self, *arguments):
        """Make a backup and answer its file."""
        command("backup", *arguments)
        return self.files()[-1]

    def files(self):
        return sorted(it for it in self.backups.glob("koppel-*") if it.suffix != ".json")

    def start(self, *arguments):
        """Run a command in a process of its own."""
        env = environment_of(self.data)
        if ON_POSTGRESQL:
            env["DATABASE_URL"] = (
                urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{NAME}").geturl()
            )
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments, "--skip-checks"],
            cwd=django_settings.BASE_DIR,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def command(*arguments):
    """What a command says."""
    out = StringIO()
    call_command(*map(str, arguments), stdout=out, no_color=True)
    return out.getvalue()


def refusal(*arguments):
    """With which words a command refuses."""
    with pytest.raises(CommandError) as refused:
        command(*arguments)
    return str(refused.value)


def worker():
    while work.done(work.ALWAYS):
        pass


def opens(*pairs):
    """The status that the API answers to each pair of keys."""

    def status(pair):
        both = base64.b64encode(f"{pair.app_key}:{pair.secret.reveal()}".encode()).decode()
        return Client().get("/api/v1/me", headers={"Authorization": f"Basic {both}"}).status_code

    return [status(pair) for pair in pairs]


@contextmanager
def own_database():
    """A copy of the database of the tests, on PostgreSQL; it and what restores keep are dropped."""
    template = database.settings_dict["NAME"]
    database.close()
    with database._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{NAME}" TEMPLATE "{template}"')
    try:
        yield NAME
    finally:
        with database._nodb_cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{NAME}%"])
            for (found,) in cursor.fetchall():
                cursor.execute(f'DROP DATABASE "{found}" WITH (FORCE)')


@pytest.fixture
def install(tmp_path, settings):
    """Make an installation of what the test has written so far, and go on in there."""
    with ExitStack() as stack:

        def installed(data=tmp_path / "data"):
            data.mkdir(exist_ok=True)
            shutil.copytree(settings.PORTAL_DATA / "secrets", data / "secrets")
            settings.PORTAL_DATA, settings.PORTAL_JOURNAL = data, data / "journal"
            settings.PORTAL_BACKUPS = data / "backups"
            if ON_POSTGRESQL:
                name = stack.enter_context(own_database())
            else:
                name = data / "portal.sqlite3"
                with closing(sqlite3.connect(name)) as copy:
                    database.ensure_connection()
                    database.connection.backup(copy)
            stack.enter_context(backups.on_database(name))
            return Installation(data)

        yield installed


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


@transaction.atomic
def a_hundred():
    """Connections that will end, for each way, and the keys of all of them."""
    app, todo, pairs = AppFactory(), {}, []
    for way, number in WAYS.items():
        todo[way] = []
        for _turn in range(number):
            owner = MembershipFactory(user__advanced=True).user
            UserFactory(administrator=True, environment=owner.environment)
            connection, pair = connect(owner, app=app)
            todo[way].append(connection)
            pairs.append(pair)
    accountant = UserFactory(advanced=True, environment__accountant=True)
    for _turn in range(THROUGH_PARTNERSHIPS):
        mandate = let_in(accountant, app=app)
        pairs.append(connect(accountant, mandate.organisation, app=app)[1])
    return todo, pairs


def end(todo):
    for way, connections in todo.items():
        for connection in connections:
            ENDS[way](connection)
    for partnership in Partnership.objects.active():
        services.end_partnership(partnership=partnership, by=partnership.client.users.first())


def revoke(connection):
    services.revoke(connection=connection, by=connection.owner)


def renew(connection):
    by = connection.owner
    return services.create_new_keys(connection=connection, by=by, op_id=uuid.uuid4())


def pause(connection):
    services.pause(connection=connection, by=connection.owner)


def close(connection):
    environment = connection.organisation.environment
    seen = closing_of_environments.fingerprint(environment)
    closing_of_environments.close(environment=environment, seen=seen, by=chief(connection))


ENDS = {
    "revoke": revoke,
    "renew": renew,
    "pause": pause,
    "remove": lambda it: accounts.remove(user=it.owner, by=chief(it)),
    "block": lambda it: accounts.block(user=it.owner, by=chief(it)),
    "lower": lambda it: accounts.change_role(user=it.owner, role=Role.BASIC, by=chief(it)),
    "leave": lambda it: accounts.delete_account(user=it.owner),
    "close": close,
}


def chief(connection):
    return connection.organisation.environment.users.get(role=Role.ADMINISTRATOR)


def test_none_of_a_hundred_keys_that_ended_works_after_the_backup_is_put_back(install):
    (todo, pairs), control = a_hundred(), [connect()[1] for _turn in range(3)]
    here = install()
    file = here.backup()
    assert [len(pairs), set(opens(*pairs, *control))] == [100, {200}]
    end(todo)

    said = command("restore", file)

    assert opens(*control) == [200] * 3
    assert 200 not in opens(*pairs)
    assert f"Ended again: {THROUGH_PARTNERSHIPS} partnerships." in said
    command("verify_events")
    # once more, and from a backup of what was put back
    assert command("restore", file).count("Ended again") == said.count("Ended again")
    assert 200 not in opens(*pairs)
    worker()
    later = here.data / "later"
    command("backup", later)
    said = command("restore", next(later.glob("*[!n]")))
    assert "By the journal nothing has ended since." in said
    assert opens(*pairs, *control).count(200) == 3
    command("verify_events")


@pytest.mark.skipif(ON_POSTGRESQL, reason="the processes do not depend on the database")
def test_over_http_with_a_backup_made_while_the_portal_serves(install):
    todo, pairs = a_hundred()
    here = install()
    with serving(here.data) as portal:
        assert 200 in statuses(portal, pairs[:1])
        file = here.backup()
        end(todo)
        assert "stop it first" in refusal("restore", file)
        assert 200 not in statuses(portal, pairs)

    command("restore", file)

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
    revoke(connection)
    moved = (here.data / "journal").rename(here.data / "elsewhere")

    assert "There is no journal" in refusal("restore", file)
    assert "is not there" in refusal("restore", file, "--journal", here.data / "nowhere")
    command("restore", file, "--journal", moved)
    assert opens(pair) == [401]
    assert "what ended since is alive again" in command("restore", file, "--without-journal")
    assert opens(pair) == [200]


def test_the_journal_of_another_machine_counts_too(install):
    connection, pair = connect()
    here = install()
    file = here.backup()
    revoke(connection)
    other = journal.path().rename(here.data / "other-machine.jsonl")
    journal.begin()

    command("restore", file, "--journal", other)

    assert opens(pair) == [401]


def test_it_names_the_keys_that_were_made_after_the_backup(install):
    connection, old = connect()
    file = install().backup()
    made = renew(connection)

    assert f"  {made.app_key}\n" in command("restore", file)
    assert opens(old, made) == [401, 401]


def test_whoever_changed_the_way_to_sign_in_takes_a_new_one(install):
    stolen, moved, other = (UserFactory(administrator=True, with_login=True) for _turn in range(3))
    file = install().backup()
    accounts.note_login_change(user=stolen, method="password_changed")
    accounts.note_login_change(user=moved, method="email_changed")

    said = command("restore", file)

    for user, can, email in (
        (stolen, False, stolen.email),
        (moved, False, f"changed-{moved.pk}@changed.invalid"),
        (other, True, other.email),
    ):
        user.refresh_from_db()
        assert (user.has_usable_password(), user.email) == (can, email)
    assert f"give them the new one in the admin, numbers {moved.pk}\n" in said


def test_whoever_was_forgotten_is_forgotten_again(install):
    user = MembershipFactory(user__advanced=True, user__first_name="Wilhelmina").user
    UserFactory(administrator=True, environment=user.environment)
    connect(user)
    file = install().backup()
    accounts.delete_account(user=user)

    command("restore", file)

    people = [*User.objects.values_list("first_name", "email")]
    lines = [*Event.objects.values_list("actor_name", "subject_name", "details")]
    for word in ("Wilhelmina", user.email):
        assert word not in str(people + lines)


def test_a_pause_that_is_over_is_none_and_one_made_since_is(install):
    (resumed, first), (paused, second) = connect(), connect()
    file = install().backup()
    pause(resumed)
    services.resume(connection=resumed, by=resumed.owner)
    pause(paused)

    command("restore", file)

    assert opens(first, second)[0] == 200
    assert opens(first, second)[1] != 200


def test_a_person_who_came_after_the_restore_is_not_taken_for_one_before(install):
    owner = UserFactory(administrator=True)
    here = install()
    file = here.backup()
    blocked = invite(owner, "one@example.com")
    accounts.block(user=blocked, by=owner)
    command("restore", file)

    newcomer = invite(owner, "two@example.com")
    later = here.data / "later"
    command("backup", later)
    command("restore", next(later.glob("*[!n]")))

    assert newcomer.pk != blocked.pk
    newcomer.refresh_from_db()
    assert newcomer.is_active


def invite(by, email):
    return accounts.invite(
        environment=by.environment, email=email, role=Role.BASIC, organisations=[], by=by
    )


def test_what_was_given_after_a_restore_is_not_taken_by_the_next(install):
    member = MembershipFactory(user__advanced=True)
    by = UserFactory(administrator=True, environment=member.user.environment)
    here = install()
    file = here.backup()
    accounts.set_organisations(user=member.user, organisations=[], by=by)
    command("restore", file)
    assert not member.user.memberships.exists()
    accounts.set_organisations(user=member.user, organisations=[member.organisation], by=by)

    later = here.data / "later"
    command("backup", later)
    command("restore", next(later.glob("*[!n]")))

    assert member.user.memberships.exists()


def test_people_sign_in_anew(install, client):
    client.force_login(UserFactory(administrator=True))
    file = install().backup()
    assert Session.objects.exists()

    command("restore", file)

    assert not Session.objects.exists()


def test_the_log_says_which_lines_were_lost(install):
    connection, _pair = connect()
    here = install()
    worker()
    file = here.backup()
    revoke(connection)
    worker()

    assert "Lines of the activity logs that are lost: 1.\n" in command("restore", file)

    log = Event.objects.get(action=Action.RESTORED, environment=connection.organisation.environment)
    assert log.details["lost_lines"] == "2–2"
    assert "lost lines: 2–2" in log.details_in_words
    worker()
    assert "cut off" not in command("verify_events")


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
    "cut short": (
        lambda file: backups.manifest_of(file).write_text('{"made": '),
        "cannot be read",
    ),
    "changed": (without_seal, "was changed"),
    "another engine": (
        lambda file: changed(file, lambda it: it.update(engine="oracle")),
        "This is a backup of oracle",
    ),
    "newer": (
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
        folder = here.data / how
        shutil.copytree(here.backups, folder)
        bend(folder / file.name)
        assert words in refusal("restore", folder / file.name)
    assert opens(pair) == [200]


def test_while_somebody_uses_the_database_nothing_is_put_back(install):
    connect()
    here = install()
    file = here.backup()
    with here.start("work") as process:
        try:
            wait_until(lambda: not Event.objects.waiting().exists())
            assert "first" in refusal("restore", file)
        finally:
            process.terminate()


@pytest.mark.skipif(ON_POSTGRESQL, reason="a dump is not taken back by hand")
def test_a_backup_of_an_older_version_is_migrated(install):
    connect()
    file = install().backup()
    with backups.on_database(file):
        call_command("migrate", "usersessions", "zero", verbosity=0)
    backups.settle(file)
    changed(file, lambda it: it.update(sha256=backups.digest(file), migrations=[]))

    command("restore", file)

    assert UserSession.objects.count() == 0


def parts(here):
    return [*here.backups.glob(".koppel-*.part*")]


def test_a_backup_that_is_killed_leaves_no_half_one(install):
    connect()
    here = install()
    here.backup()

    for _turn in range(2):
        with here.start("backup") as process:
            while process.poll() is None and not parts(here):
                pass
            process.kill()
        database.close()
        wait_until(nobody_is_in_there)  # pg_dump ends a moment later

    for file in here.files():
        if backups.manifest_of(file).exists():
            manifest = json.loads(backups.manifest_of(file).read_text())
            assert manifest["sha256"] == backups.digest(file)
    for part in parts(here):
        os.utime(part, (0, 0))
    here.backup()
    assert parts(here) == []


def test_a_restore_that_is_killed_leaves_the_old_database_whole(install):
    connection, old = connect()
    here = install()
    file = here.backup()
    made = renew(connection)
    database.close()

    for _turn in range(2):
        with here.start("restore", str(file)) as process:
            while process.poll() is None and not is_restoring(here):
                pass
            process.kill()
        wait_until(nobody_is_in_there)
        assert KeySet.objects.live().get().app_key == made.app_key
        command("verify_events")
        database.close()
    command("restore", file)
    assert opens(old) == [401]


def test_the_commands_work_as_the_operator_calls_them(install):
    """With the connections of a process of its own."""
    connection, old = connect()
    here = install()
    database.close()
    with here.start("backup") as process:
        assert process.wait(60) == 0
    renew(connection)
    database.close()

    with here.start("restore", str(here.files()[-1])) as process:
        assert process.wait(60) == 0

    assert opens(old) == [401]


def is_restoring(here):
    if not ON_POSTGRESQL:
        return (here.data / "portal.sqlite3.restoring").exists()
    with database._nodb_cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [f"{NAME}_restoring"])
        return cursor.fetchone()


def nobody_is_in_there():
    """PostgreSQL notices a moment later that a process is gone."""
    if not ON_POSTGRESQL:
        return True
    with database._nodb_cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE datname LIKE %s", [f"{NAME}%"])
        return cursor.fetchone() is None


@contextmanager
def small_disk(folder, size):
    """A disk of its own at `folder`; who may not mount one skips."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root mounts a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607


def test_a_full_disk_leaves_no_half_backup(install, tmp_path):
    install()
    with small_disk(tmp_path / "small", "64k") as small:
        said = refusal("backup", small)

        assert "There is no backup" in said or "pg_dump failed" in said
        assert [*small.iterdir()] == []


@pytest.mark.skipif(ON_POSTGRESQL, reason="the disk of the server is not ours")
def test_a_full_disk_leaves_the_old_database_whole(install, tmp_path):
    _connection, pair = connect()
    with small_disk(tmp_path / "small", "12m") as small:
        here = install(small)
        file = here.backup()
        free = shutil.disk_usage(small).free
        filling = small / "filling"
        filling.write_bytes(bytes(free - file.stat().st_size * 3 // 2))

        assert "Nothing was put back" in refusal("restore", file)

        assert not [*small.glob("*.restoring*"), *small.glob("*-before-*")]
        filling.unlink()
        assert opens(pair) == [200]
        database.close()


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
    worker()
    bent = "UPDATE events_event SET subject_ref = '7'"
    with database.cursor() as cursor:
        vendor = database.vendor
        for statement in (*guards.down(vendor), bent, *guards.sql(vendor)):
            cursor.execute(statement)

    assert "The backup is whole, but activity logs in it are bent" in refusal("backup")
    assert len(here.files()) == 1


def test_every_command_of_the_page_about_backups_works(install):
    connect()
    here = install()
    file = here.backup()
    values = {
        "/srv/backups/koppel-20261122T023000Z.sqlite3": file,
        "/srv/backups": here.data / "others",
        "/srv/journals": here.data / "journal",
    }
    text = (Path(django_settings.BASE_DIR) / "docs/backup.md").read_text()
    shown = [it.split()[2:] for it in text.splitlines() if it.startswith(".venv/bin/python")]

    assert [it[0] for it in shown] == ["backup", "restore", "verify_events"]
    for arguments in shown:
        assert command(*(values.get(it, it) for it in arguments))
