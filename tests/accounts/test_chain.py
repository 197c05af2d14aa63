"""Nobody can bend the activity log without being found out (R53); on the database that the tests run on."""

import re
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import services
from accounts.events import anchors, chain, guards
from accounts.events.models import Action, Checkpoint, Event
from accounts.events.services import chain_waiting, erase_name, record, retire
from accounts.roles import Role
from partners.models import Mandate, Partnership
from tests.factories import OrganisationFactory, UserFactory

ON_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture(autouse=True)
def _own_anchors(settings, tmp_path):
    settings.PORTAL_DATA = tmp_path


@pytest.fixture
def write(environment, administrator, organisation):
    """Write as many lines into the log of the environment."""

    def written(number=1, **values):
        with transaction.atomic():
            return [
                record(
                    Action.PROFILE_CHANGED,
                    by=administrator,
                    subject=administrator,
                    environment=environment,
                    organisation=organisation,
                    turn=turn,
                    **values,
                )
                for turn in range(number)
            ]

    return written


@pytest.fixture
def log(write, environment):
    """The environment, with five lines in its chain."""
    write(5)
    chain_waiting()
    return environment


def execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def bend(*statements):
    """Do what only a person with all power over the database can."""
    if ON_POSTGRESQL:
        execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute(*guards.down(connection.vendor), *statements, *guards.sql(connection.vendor))


def verify():
    """What the command says, and whether it found everything in order."""
    out = StringIO()
    try:
        call_command("verify_events", stdout=out, no_color=True)
    except CommandError:
        return out.getvalue(), False
    return out.getvalue(), True


def test_every_line_gets_its_place(log):
    lines = Event.objects.order_by("pk")

    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert verify() == (f"{log}: unbent up to line 5. Check value 5-{lines[4].link}\n", True)


def test_lines_that_wait_are_told(log, write):
    write(2)

    said, fine = verify()

    assert "unbent up to line 5, 2 more wait for their place." in said
    assert fine


COLUMNS = ", ".join(
    field.column
    for field in Event._meta.concrete_fields
    if field.column not in {"id", "seal", "number"}
)


def copied(seal, number, of=3):
    """The statement that writes a line once more."""
    return (
        f"INSERT INTO events_event ({COLUMNS}, seal, number)"  # noqa: S608 (a test)
        f" SELECT {COLUMNS}, {seal}, {number} FROM events_event WHERE number = {of}"
    )


def changed(values, number=3):
    return f"UPDATE events_event SET {values} WHERE number = {number}"  # noqa: S608 (a test)


BENDINGS = {
    "what": ([changed("action = 'user.joined'")], "Line 3 was changed"),
    "when": ([changed("at = '2020-01-01 00:00:00+00:00'")], "Line 3 was changed"),
    "who": ([changed("actor_id = NULL")], "Line 3 was changed"),
    "the name": ([changed("actor_name = 'Mallory'")], "Line 3 was changed"),
    "about whom": ([changed("subject_ref = '0'")], "Line 3 was changed"),
    "where": ([changed("organisation_id = NULL")], "Line 3 was changed"),
    "the details": ([changed("""details = '{"turn": 7}'""")], "Line 3 was changed"),
    "the request": ([changed("request_id = 'x'")], "Line 3 was changed"),
    "the seal": ([changed("seal = 'x'")], "Line 3 was changed"),
    "the salts": ([changed("proofs = '{}'")], "Line 3 was changed"),
    "no salts": ([changed("proofs = '[7]'")], "Line 3 was changed"),
    "a name left out": ([changed("actor_name = ''")], "Line 3 was changed"),
    "the first": ([changed("action = 'user.joined'", 1)], "Line 1 was changed"),
    "the last": ([changed("action = 'user.joined'", 5)], "Line 5 was changed"),
    "the check value": ([changed("link = 'x'")], "Line 3 stands where another"),
    "the seal of the place": ([changed("link_seal = 'x'")], "The place of line 3 was not given"),
    "deleted": (["DELETE FROM events_event WHERE number = 3"], "Missing: line 3 up to line 3."),
    "two deleted": (["DELETE FROM events_event WHERE number IN (1, 2)"], "Missing: line 1 up to line 2."),
    "cut off": (
        ["DELETE FROM events_event WHERE number > 3"],
        "The end is cut off after line 3: line 5 was noted",
    ),
    "all gone": (["DELETE FROM events_event"], "The end is cut off after line 0"),
    "sent back to wait": (
        [changed("number = NULL, link = '', link_seal = ''", 5)],
        "The end is cut off after line 4",
    ),
    "exchanged": (
        [changed("number = 9", 2), changed("number = 2"), changed("number = 3", 9)],
        "Line 2 stands where another",
    ),
    "closed up": (
        ["DELETE FROM events_event WHERE number = 3", changed("number = 3", 4)],
        "Line 3 stands where another",
    ),
    "invented at the end": ([copied("'x'", 6)], "Line 6 was changed, or not written"),
    "invented before its turn": ([copied("'x'", "NULL")], "not yet chained, was changed or not written"),
    "a checkpoint invented": (
        [
            "INSERT INTO events_checkpoint (environment_id, number, link, at, seal)"
            " SELECT environment_id, number, link, at, 'x' FROM events_event WHERE number = 3",
            "DELETE FROM events_event WHERE number < 4",
        ],
        "The checkpoint after line 3 was not written",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "fault"), BENDINGS.values(), ids=BENDINGS.keys())
def test_the_first_bent_line_is_found(log, statements, fault):
    bend(*statements)

    said, fine = verify()

    assert fault in said
    assert not fine


@pytest.mark.skipif(ON_POSTGRESQL, reason="PostgreSQL takes no such value")
@pytest.mark.parametrize("values", ["at = 'never'", "at = 7", "number = 'x'"])
def test_what_cannot_be_read_is_a_fault_not_a_crash(log, values):
    bend(changed(values))

    said, fine = verify()

    assert any(f in said for f in ("after line 2 cannot", "Line 3 was", "Missing: line 3"))
    assert not fine


@pytest.mark.skipif(
    not ON_POSTGRESQL, reason="SQLite keeps a line unique as long as its table stands"
)
def test_a_line_written_once_more_is_found(log):
    unique = connection.introspection.get_constraints(connection.cursor(), "events_event").items()
    [name] = [n for n, c in unique if c["columns"] == ["seal"] and c["unique"]]
    bend(f"ALTER TABLE events_event DROP CONSTRAINT {name}", copied("seal", "NULL"))

    chain_waiting()

    assert "Line 6 repeats an earlier line." in verify()[0]


def test_what_this_portal_did_not_write_gets_no_place_and_stands_in_no_way(log, write, monkeypatch):
    monkeypatch.setattr("accounts.events.services.AT_ONCE", 1)
    execute(copied("'x'", "NULL"))
    write()

    chain_waiting()

    assert Event.objects.waiting().get().seal == "x"
    assert Event.objects.latest("pk").number == 6


def test_a_chain_made_anew_by_somebody_who_took_the_key_differs_from_the_anchors(log):
    bend("DELETE FROM events_event WHERE number = 1", "UPDATE events_event SET number = NULL")
    (anchors.path().parent / "kept").write_text(anchors.path().read_text())

    chain_waiting()
    anchors.path().write_text((anchors.path().parent / "kept").read_text())

    assert "The end is cut off after line 4" in verify()[0]


def test_with_another_key_nothing_holds(log, settings):
    settings.CHAIN_KEY = "another"

    assert "Line 1 was changed, or not written by this portal." in verify()[0]


def test_each_environment_has_its_own_chain(log, write):
    other = UserFactory(administrator=True)
    services.change_profile(user=other, first_name="Ada")
    write()
    chain_waiting()
    bend("DELETE FROM events_event WHERE number = 2")

    said, _fine = verify()

    assert (
        f"{log}: Missing: line 2 up to line 2.\n{other.environment}: unbent up to line 1." in said
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events_event SET action = 'x'",
        "UPDATE events_event SET actor_name = 'Mallory'",
        "UPDATE events_event SET id = id + 100",
        "UPDATE events_event SET number = 9 WHERE number = 5",
        "UPDATE events_event SET number = NULL",
        "UPDATE events_event SET seal = 'x' WHERE number = 5",
        "DELETE FROM events_event",
        "DELETE FROM events_event WHERE number = 5",
        "TRUNCATE events_event" if ON_POSTGRESQL else "REPLACE INTO events_event SELECT * FROM events_event",
        "UPDATE events_checkpoint SET number = 5",
        "DELETE FROM events_checkpoint",
        "TRUNCATE events_checkpoint"
        if ON_POSTGRESQL
        else "REPLACE INTO events_checkpoint SELECT * FROM events_checkpoint",
    ],
)  # fmt: skip
def test_the_database_itself_refuses(log, administrator, statement):
    retire(environment=log, before=Event.objects.get(number=3).at)
    before = list(Event.objects.values()), list(Checkpoint.objects.values())

    with pytest.raises(DatabaseError, match="never changed|pending"), transaction.atomic():
        execute(statement)

    assert (list(Event.objects.values()), list(Checkpoint.objects.values())) == before


def test_a_database_without_its_guards_is_told(log):
    bend()
    assert verify()[1]

    execute(guards.down(connection.vendor)[0])

    assert not verify()[1]


def test_a_line_costs_one_query_and_a_log_without_news_one(
    administrator, environment, django_assert_num_queries
):
    with transaction.atomic(), django_assert_num_queries(1):
        record(
            Action.PROFILE_CHANGED, by=administrator, subject=administrator, environment=environment
        )
    chain_waiting()

    with django_assert_num_queries(1):
        assert chain_waiting() == 0


def test_a_worker_that_dies_leaves_the_chain_as_it_was(log, write, monkeypatch):
    write(3)
    put, times = QuerySet.update, iter([True, False])

    def die(self, **values):
        assert next(times), "killed"
        return put(self, **values)

    monkeypatch.setattr(QuerySet, "update", die)
    with pytest.raises(AssertionError, match="killed"):
        chain_waiting()
    monkeypatch.undo()
    assert Event.objects.waiting().count() == 3

    assert chain_waiting() == 3
    assert verify()[1]


def test_an_anchor_that_was_never_written_harms_nothing(log, write):
    anchors.path().unlink()
    assert verify()[1]
    write()
    chain_waiting()
    with anchors.path().open("a") as file:
        file.write('{"at": "2026-')

    assert verify()[1]
    assert list(anchors.noted()[log.pk]) == [6]


def test_old_lines_leave_and_the_rest_still_verifies(log, write):
    last = Event.objects.get(number=3).at
    gone = retire(environment=log, before=last)
    chain_waiting()

    assert gone == 2
    assert list(Event.objects.chained().values_list("number", flat=True)) == [3, 4, 5, 6]
    assert Event.objects.latest("pk").details == {"lines": 2, "until": 2}
    assert verify()[1]


def test_a_log_that_left_altogether_goes_on(log, write):
    retire(environment=log, before=timezone.now())
    retire(environment=log, before=timezone.now())
    chain_waiting()

    assert list(Event.objects.values_list("number", "action")) == [(6, Action.LINES_RETIRED)]
    assert verify()[1]


def test_lines_missing_after_a_checkpoint_are_found(log):
    retire(environment=log, before=Event.objects.get(number=3).at)
    bend("DELETE FROM events_event WHERE number = 3")

    assert "Missing: line 3 up to line 3." in verify()[0]


def test_a_name_can_be_erased_and_the_chain_holds(log, administrator, colleague):
    organisation = OrganisationFactory()
    client = organisation.environment
    partnership = Partnership.objects.create(accountant=log, client=client)
    mandate = Mandate.objects.create(
        accountant=log, partnership=partnership, organisation=organisation, given_at=timezone.now()
    )
    services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)
    services.change_profile(user=colleague, first_name="Pieter")
    with transaction.atomic():
        record(
            Action.CLIENT_PERSON_REMOVED,
            by=administrator,
            subject=mandate,
            environment=client,
            removed=[str(colleague)],
        )
    chain_waiting()
    services.remove(user=colleague, by=administrator)

    lines = erase_name(user=colleague)
    chain_waiting()

    assert lines == 4
    everything = str(list(Event.objects.values()))
    assert not any(name in everything for name in ("Piet", "Jansen", colleague.email))
    assert str(administrator) in everything
    assert verify()[1]
    assert [log.pk, client.pk] == list(
        Event.objects.filter(action=Action.NAME_ERASED).values_list("environment", flat=True)
    )


def test_who_was_erased_is_a_former_user_on_the_page(office, colleague, administrator):
    services.change_profile(user=colleague, first_name="Pieter")
    services.remove(user=colleague, by=administrator)
    erase_name(user=colleague)

    page = office.get("/activity/").content.decode()

    assert "<b>Former user</b> · Profile changed: first name" in " ".join(page.split())
    assert f"({colleague.pk})" not in page


@pytest.mark.parametrize("field", chain.PERSONAL)
def test_a_value_that_somebody_else_emptied_is_found(log, field):
    event = Event.objects.get(number=3)
    chain.erase(event, field)
    proofs = event.proofs | {field: event.proofs[field][:-1] + "x"}

    Event.objects.filter(number=3).put(**{field: getattr(event, field)}, proofs=proofs)

    assert f"The {field} of line 3 was not erased by this portal." in verify()[0]


def test_an_erased_value_cannot_be_replaced_by_another(log):
    event = Event.objects.get(number=3)
    chain.erase(event, "actor_name")
    Event.objects.filter(number=3).put(actor_name="", proofs=event.proofs)
    bend(changed("actor_name = 'Mallory'"))

    assert "The actor_name of line 3 was not erased by this portal." in verify()[0]


def test_commitments_of_the_same_name_tell_nothing(log):
    event, another = Event.objects.order_by("pk")[:2]

    assert event.actor_name == another.actor_name
    assert chain.commitment(event, "actor_name") != chain.commitment(another, "actor_name")


@pytest.fixture
def rights_of_the_portal():
    """A role with the rights that docs/activity-log.md tells operators to give, on all that it reads."""
    text = (settings.BASE_DIR / "docs/activity-log.md").read_text()
    [statements] = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    execute(
        "SET CONSTRAINTS ALL IMMEDIATE",
        "CREATE ROLE portal_of_a_test",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO portal_of_a_test",
        statements.replace("portal;", "portal_of_a_test;"),
        "SET LOCAL ROLE portal_of_a_test",
    )


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite knows no rights")
def test_the_role_of_the_portal_writes_chains_and_erases(log, administrator, rights_of_the_portal):
    with transaction.atomic():
        record(Action.PROFILE_CHANGED, by=administrator, subject=administrator, environment=log)
    assert chain_waiting() == 1
    assert erase_name(user=administrator) == 6
    chain_waiting()

    assert verify()[1]


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite knows no rights")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events_event SET action = 'x'",
        "DELETE FROM events_event",
        "TRUNCATE events_event",
        "ALTER TABLE events_event DISABLE TRIGGER USER",
        "DROP TRIGGER event_guard ON events_event",
        "UPDATE events_checkpoint SET number = 9",
        "DELETE FROM events_checkpoint",
    ],
)
def test_the_role_of_the_portal_may_not(log, rights_of_the_portal, statement):
    with (
        pytest.raises(DatabaseError, match="permission denied|must be owner"),
        transaction.atomic(),
    ):
        execute(statement)
