"""What ended is in the journal before anybody is answered, whatever becomes of the process."""

import json
import os
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection as database
from django.db import transaction

from accounts import services
from accounts.events import journal
from accounts.events.models import Action, Event
from accounts.events.services import chain_waiting, record
from accounts.roles import Role
from connections.models import Connection, KeySet
from connections.services import create_new_keys, pause, resume, revoke
from tests.factories import MembershipFactory, UserFactory, connect
from tests.serving import environment_of, manage, prepare, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
with_rows_of_the_test = pytest.mark.skipif(
    database.vendor != "sqlite", reason="only SQLite's copy has what the test stored"
)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.PORTAL_DATA = tmp_path  # for the anchors
    settings.PORTAL_JOURNAL = tmp_path / "journal"
    return settings.PORTAL_JOURNAL


def lines():
    found, torn = journal.read([journal.path()])
    assert torn == 0
    return found


def left_of(thing):
    return [line["left"] for line in lines() if line["ref"] == str(thing.event_subject[1])][-1]


KINDS = {"environment", "user", "app", "connection", "gateway", "client", "partnership", "request"}


def test_what_is_left_is_known_of_every_kind_that_can_end():
    assert set(journal.kinds()) == set(journal._looks) == KINDS


def test_every_action_is_noted_or_listed_as_harmless():
    noted = {action.split(".")[0] for action in set(Action) - journal.HARMLESS}

    # about an environment, many things, and what support did to any of these
    assert noted == KINDS | {"integrations", "log", "staff", "support"}, (
        "Say in journal.HARMLESS that nothing ends by a new action, or what is left of its subject."
    )


def test_a_kind_of_which_nobody_says_what_is_left_is_refused(organisation_of_somebody):
    user, organisation = organisation_of_somebody

    with pytest.raises(LookupError, match="organisation"), transaction.atomic():
        record(Action.USER_BLOCKED, by=user, subject=organisation, environment=user.environment)


@pytest.fixture
def organisation_of_somebody():
    member = MembershipFactory(user__administrator=True)
    return member.user, member.organisation


def test_the_journal_says_which_keys_live():
    connection, old = connect()
    new = create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())

    assert left_of(connection)["keys"] == {new.app_key: None}
    revoke(connection=connection, by=connection.owner)
    assert left_of(connection)["keys"] == {}
    assert left_of(connection)["revoked"] is True
    assert old.app_key in json.dumps(lines())


def test_the_last_of_pause_and_resume_counts():
    connection, _pair = connect()

    for change, paused in ((pause, True), (resume, False), (pause, True)):
        change(connection=connection, by=connection.owner)
        assert left_of(connection)["paused"] is paused


def test_a_role_that_was_lowered():
    user = UserFactory(administrator=True)
    by = UserFactory(administrator=True, environment=user.environment)

    services.change_role(user=user, role=Role.BASIC, by=by)

    assert left_of(user)["role"] == "basic"


def test_no_name_address_or_secret_is_in_the_journal():
    member = MembershipFactory(user__administrator=True, user__first_name="Wilhelmina")
    user = MembershipFactory(user__administrator=True, organisation=member.organisation).user
    connection, pair = connect(user, member.organisation, name="Private words")
    services.block(user=member.user, by=user)
    services.remove(user=member.user, by=user)

    text = journal.path().read_text()
    digests = KeySet.objects.values_list("secret_digest", flat=True)
    for word in ("Wilhelmina", "@", "Private words", pair.secret.reveal(), *digests):
        assert word not in text
    assert str(connection.uuid) in text
    assert journal.path().stat().st_mode & 0o777 == 0o600


def test_what_is_rolled_back_is_not_noted(folder):
    connection, _pair = connect()
    before = lines()

    with transaction.atomic():
        revoke(connection=connection, by=connection.owner)
        transaction.set_rollback(True)

    assert lines() == before


def test_the_worker_writes_only_what_is_missing():
    connection, _pair = connect()
    revoke(connection=connection, by=connection.owner)
    before = journal.path().read_bytes()

    chain_waiting()
    assert journal.path().read_bytes() == before

    journal.path().unlink()
    other, _pair = connect()
    revoke(connection=other, by=other.owner)
    journal.path().unlink()
    chain_waiting()
    assert left_of(other)["revoked"] is True


def test_a_journal_that_cannot_be_written_undoes_nothing_and_is_made_up_for(folder, caplog):
    connection, _pair = connect()
    chain_waiting()
    kept = journal.path().rename(folder.parent / "kept")
    folder.rmdir()
    folder.write_text("a file where the folder should be")

    revoke(connection=connection, by=connection.owner)

    assert Connection.objects.get(pk=connection.pk).is_revoked
    assert "the worker writes it again" in caplog.text
    with pytest.raises(OSError, match="journal"):
        chain_waiting()
    waiting = Event.objects.waiting()
    assert waiting.filter(action=Action.CONNECTION_REVOKED).exists()

    folder.unlink()
    chain_waiting()
    assert left_of(connection)["revoked"] is True
    assert kept.exists()
    assert not waiting.exists()


def test_it_says_how_many_lines_wait_for_too_long():
    connection, _pair = connect()
    revoke(connection=connection, by=connection.owner)

    assert [journal.behind(), journal.behind(timedelta(0))] == [0, 2]
    chain_waiting()
    assert journal.behind(timedelta(0)) == 0


def test_a_line_that_a_full_disk_cut_short_spoils_no_other():
    connection, _pair = connect()
    with journal.path().open("ab") as file:
        file.write(b'\n{"at":"2026-')
    revoke(connection=connection, by=connection.owner)

    found, torn = journal.read([journal.path()])

    assert (found[-1]["left"]["revoked"], torn) == (True, 1)


END_KEYS = """
import django, sys
django.setup()
from connections.models import Connection
from connections.services import revoke
for pk in sys.argv[1:]:
    connection = Connection.objects.get(pk=pk)
    revoke(connection=connection, by=connection.owner)
    print(connection.uuid, flush=True)
"""


@pytest.mark.slow
@with_rows_of_the_test
def test_four_processes_that_end_keys_at_once_leave_nothing_out(tmp_path):
    made = [connect()[0] for _turn in range(24)]
    data = tmp_path / "data"
    prepare(data)

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", END_KEYS, *(str(it.pk) for it in made[turn::4])],
            cwd=django_settings.BASE_DIR,
            env=environment_of(data),
            stdout=subprocess.PIPE,
            text=True,
        )
        for turn in range(4)
    ]
    ended = "".join(process.communicate(timeout=120)[0] for process in processes).split()

    found, torn = journal.read((data / "journal").glob("*.jsonl"))
    assert sorted(ended) == sorted(str(it.uuid) for it in made)
    assert {line["ref"] for line in found if (line["left"] or {}).get("revoked")} == set(ended)
    assert torn == 0


@pytest.mark.slow
@with_rows_of_the_test
def test_a_process_that_is_killed_between_commit_and_journal_leaves_it_to_the_worker(tmp_path):
    connection, _pair = connect()
    data = tmp_path / "data"
    prepare(data)
    (data / "journal").mkdir()
    pipe = data / "journal" / journal.path().name
    os.mkfifo(pipe)  # nobody reads it: whoever wants to write waits

    with subprocess.Popen(
        [sys.executable, "-c", END_KEYS, str(connection.pk)],
        cwd=django_settings.BASE_DIR,
        env=environment_of(data),
    ) as process:
        wait_until(lambda: is_revoked(data, connection))
        process.kill()
    pipe.unlink()
    manage(data, "work", "--once")

    found, torn = journal.read((data / "journal").glob("*.jsonl"))
    assert [line["action"] for line in found][-1] == Action.CONNECTION_REVOKED
    assert torn == 0


def is_revoked(data, connection):
    with closing(sqlite3.connect(data / "portal.sqlite3")) as database:
        asked = "SELECT revoked_at FROM connections_connection WHERE id = ?"
        return database.execute(asked, [connection.pk]).fetchone()[0]


def test_verify_events_takes_the_log_of_support_beside_others():
    user = UserFactory(staff=True)
    connection, _pair = connect()
    revoke(connection=connection, by=connection.owner)
    with transaction.atomic():
        record(Action.FUNCTION_ADDED, by=user, subject=connection, environment=None)
    chain_waiting()

    call_command("verify_events")
