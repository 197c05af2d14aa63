"""Rotate: both sets side by side, safe to end, the end (R17), and keys that end on a day."""

import uuid
from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from connections import expiry, services
from connections.calls import CALLS
from connections.models import Connection, KeySet
from connections.services import Overlap, Reason
from portal.management.commands import work
from tests.browsing import signed_in
from tests.factories import AppFactory, MembershipFactory, connect
from tests.software import Software, basic

pytestmark = pytest.mark.django_db
START = "2026-11-18T09:00:00+01:00"  # a Wednesday


@pytest.fixture(autouse=True)
def clock(time_machine):
    time_machine.move_to(START, tick=False)
    return time_machine


@pytest.fixture
def owner():
    return MembershipFactory(user__advanced=True).user


@pytest.fixture
def made(owner):
    return connect(owner)


@pytest.fixture
def connection(made):
    return made[0]


@pytest.fixture
def old(made):
    return Software(made[1], made[0].organisation)


def rotate(connection, overlap=Overlap.DAY, **values):
    pair = services.rotate(
        connection=connection,
        overlap=overlap,
        **{"by": connection.owner, "op_id": uuid.uuid4(), **values},
    )
    return Software(pair, connection.organisation)


def answer(software):
    response = software.me()
    CALLS.flush()
    return response.status_code, response.json().get("reason")


def seen(connection):
    return Connection.objects.for_list().get(pk=connection.pk)


def page(connection, user):
    client = Client()
    client.force_login(user)
    return client.get(connection.get_absolute_url()).content.decode()


def subjects():
    return list(Mail.objects.order_by("pk").values_list("subject", flat=True))


@pytest.mark.parametrize("overlap", Overlap)
def test_the_old_keys_live_on_for_the_chosen_time_and_not_longer(connection, old, clock, overlap):
    new = rotate(connection, overlap)

    clock.shift(timedelta(hours=overlap) - timedelta(seconds=1))
    assert [answer(old), answer(new)] == [(200, None), (200, None)]
    clock.shift(timedelta(seconds=1))
    assert [answer(old), answer(new)] == [(401, "rotated"), (200, None)]


def test_once_told_that_they_ended_keys_never_work_again_whatever_the_clock_says(
    connection, old, clock
):
    rotate(connection, Overlap.HOUR)
    clock.shift(timedelta(hours=2))
    assert answer(old) == (401, "rotated")

    clock.shift(-timedelta(hours=2))

    assert answer(old) == (401, "rotated")


def test_the_end_is_written_down_by_the_worker_once(connection, clock):
    rotate(connection, Overlap.HOUR)
    clock.shift(timedelta(hours=1))

    assert [services.end_overdue(), services.end_overdue()] == [1, 0]

    ended = Event.objects.get(action=Action.KEYS_ENDED)
    assert (ended.actor, connection.key_sets.retiring().count()) == (None, 0)


@pytest.mark.parametrize("reason", [r for r in Reason if r != Reason.PLANNED])
def test_what_is_not_planned_lets_no_old_keys_live_on(connection, old, reason):
    with pytest.raises(services.NotPlanned):
        rotate(connection, reason=reason)

    assert (answer(old), KeySet.objects.count()) == ((200, None), 1)


def test_there_is_at_most_one_older_set(connection):
    rotate(connection)

    with pytest.raises(services.StillRetiring):
        rotate(connection)

    assert KeySet.objects.count() == 2


def test_the_same_form_rotates_once(connection):
    op_id = uuid.uuid4()
    rotate(connection, op_id=op_id)

    with pytest.raises(services.AlreadyCreated):
        rotate(connection, op_id=op_id)


def test_end_now_ends_the_old_keys_and_only_those(connection, old):
    new = rotate(connection)

    services.end_older(connection=connection, by=connection.owner)

    assert [answer(old), answer(new)] == [(401, "rotated"), (200, None)]
    with pytest.raises(services.NotRetiring):
        services.end_older(connection=connection, by=connection.owner)


def test_new_keys_and_revoking_end_both_sets_at_once(connection, old):
    first = rotate(connection)
    pair = services.create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())
    second = Software(pair, connection.organisation)
    assert [answer(it)[1] for it in (old, first, second)] == ["superseded", "superseded", None]

    third = rotate(connection)
    services.revoke(connection=connection, by=connection.owner)

    assert [answer(it)[1] for it in (second, third)] == ["revoked", "revoked"]


def test_keys_that_end_earlier_still_do_so_when_they_are_rotated(owner, clock):
    ends_at = timezone.now() + timedelta(hours=3)
    connection, pair = connect(owner, ends_at=ends_at)
    rotate(connection, Overlap.WEEK)

    clock.shift(timedelta(hours=3))

    assert answer(Software(pair, connection.organisation)) == (401, "rotated")


def test_a_token_ends_with_its_keys(connection, made, clock):
    rotate(connection, Overlap.HOUR)
    asked = Client().post(
        "/api/v1/token",
        "grant_type=client_credentials",
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": basic(made[1].app_key, made[1].secret.reveal())},
    )

    assert asked.json()["expires_in"] == 3600


def test_it_is_safe_to_end_when_the_new_keys_are_used_and_the_old_are_silent(
    connection, old, clock
):
    new = rotate(connection)
    answer(old)
    assert "have not been used yet" in page(connection, connection.owner)

    answer(new)
    assert "The new ones are in use since" in page(connection, connection.owner)

    clock.shift(timedelta(hours=2))
    said = page(connection, connection.owner)
    assert "It is safe to end the old keys." in said
    assert (said.count("End now"), seen(connection).status) == (1, Connection.Status.ROTATING)


def people_told_that_it_is_safe():
    return Mail.objects.filter(subject__contains="uses its new keys").count()


def test_people_are_told_once_when_it_is_safe_to_end_the_old_keys(connection, old, clock):
    new = rotate(connection)
    answer(old)
    answer(new)
    assert services.tell_safe_to_end() == 0
    clock.shift(timedelta(hours=2))

    assert [services.tell_safe_to_end() for _time in range(2)] == [1, 0]
    assert people_told_that_it_is_safe() == 1


def test_a_lost_secret_of_a_rotation_is_replaced_without_ending_the_keys_in_use(
    connection, old, clock
):
    lost = rotate(connection)
    clock.shift(timedelta(hours=3))
    pair = services.replace_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())
    new = Software(pair, connection.organisation)
    assert [answer(it)[1] for it in (old, lost, new)] == [None, "superseded", None]

    with pytest.raises(services.StillRetiring):
        services.replace_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())
    clock.shift(timedelta(hours=21))

    assert [answer(it)[1] for it in (old, new)] == ["rotated", None]


def test_without_a_rotation_nothing_is_replaced(connection):
    with pytest.raises(services.NotRetiring):
        services.replace_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())


def test_the_page_replaces_new_keys_that_nobody_has_used(connection, old):
    client, url = signed_in(connection.owner), connection.url("rotate")
    rotate(connection)

    asked = client.get(url).text
    done = client.post(url, {"op_id": uuid.uuid4()})

    assert "Replace the new keys" in asked
    assert ("kps_" in done.text, answer(old)) == (True, (200, None))


@pytest.mark.parametrize("called", [False, True])
def test_ending_old_keys_that_software_needs_is_asked_once_more(connection, old, called):
    client, url = signed_in(connection.owner), connection.url("end-older")
    new = rotate(connection)
    answer(old)
    if called:
        answer(new)

    asked = client.post(url)
    assert "End the old keys of" in asked.text
    assert answer(old) == (200, None)
    client.post(url, {"confirmed": "on"})

    assert answer(old) == (401, "rotated")


def test_old_keys_that_are_silent_end_with_one_click(connection, old, clock):
    new = rotate(connection)
    answer(new)
    clock.shift(timedelta(hours=2))

    signed_in(connection.owner).post(connection.url("end-older"))

    assert answer(old) == (401, "rotated")


def test_a_rotation_does_not_lengthen_the_life_of_keys(owner, clock):
    ends_at = timezone.now() + timedelta(hours=2)
    connection, _pair = connect(owner, ends_at=ends_at)

    rotate(connection, Overlap.DAY)

    assert connection.key_sets.retiring().get().ends_at == ends_at


@pytest.mark.parametrize(("moved", "warnings"), [(True, 0), (False, 1)])
def test_people_are_warned_before_the_end_once_when_the_software_still_needs_the_old_keys(
    connection, old, clock, moved, warnings
):
    new = rotate(connection)
    answer(old)
    if moved:
        answer(new)
    clock.shift(timedelta(hours=17))
    assert services.warn_of_overlap() == 0
    clock.shift(timedelta(hours=2))

    told = [services.warn_of_overlap() for _time in range(2)]

    assert sum(told) == warnings
    assert sum("still needs its old keys" in subject for subject in subjects()) == warnings


def test_everybody_concerned_gets_a_mail_about_a_rotation_without_the_secret(connection):
    administrator = MembershipFactory(
        user__administrator=True, organisation=connection.organisation
    ).user
    new = rotate(connection)

    mails = Mail.objects.filter(subject__startswith="Keys rotated")
    assert {it.to for it in mails} == {administrator.email, connection.owner.email}
    assert not [it for it in mails if new.authorization.split()[1] in it.body or "kps_" in it.body]


def test_the_page_rotates_shows_the_keys_once_and_refuses_what_is_not_planned(connection):
    client = signed_in(connection.owner)
    url = connection.url("rotate")

    refused = client.post(url, {"reason": "lost", "overlap": 24, "op_id": uuid.uuid4()})
    wrong = client.post(url, {"reason": "planned", "overlap": 5, "op_id": uuid.uuid4()})
    asked = {"reason": "planned", "overlap": 168, "op_id": uuid.uuid4()}
    done, again = client.post(url, asked), client.post(url, asked)

    assert [it.status_code for it in (refused, wrong, done, again)] == [422, 422, 200, 409]
    assert "Create new keys instead" in refused.content.decode()
    assert ["kps_" in it.content.decode() for it in (done, again)] == [True, False]
    assert "the old keys work too" in done.content.decode()


# The day on which keys end


@pytest.mark.parametrize(
    ("chosen", "exactly", "ends"),
    [
        (date(2026, 11, 27), False, "2026-11-27T10:00:00+01:00"),
        (date(2026, 11, 28), False, "2026-11-30T10:00:00+01:00"),
        (date(2026, 11, 29), False, "2026-11-30T10:00:00+01:00"),
        (date(2026, 11, 28), True, "2026-11-28T10:00:00+01:00"),
        (date(2027, 7, 1), False, "2027-07-01T10:00:00+02:00"),
    ],
)
def test_keys_end_in_working_hours_unless_somebody_wants_that_very_day(chosen, exactly, ends):
    assert expiry.moment_of(chosen, exactly=exactly).isoformat() == ends


def test_keys_that_end_soon_are_told_on_the_first_page(owner):
    connect(owner, ends_at=expiry.moment_of(date(2026, 11, 25)))

    assert "the keys of" in signed_in(owner).get("/").text


def test_keys_end_at_their_time_and_the_overview_says_so(owner, clock):
    connection, pair = connect(owner, ends_at=expiry.moment_of(date(2026, 11, 19)))
    software = Software(pair, connection.organisation)
    clock.move_to("2026-11-19T09:59:59+01:00", tick=False)
    assert answer(software) == (200, None)

    clock.shift(timedelta(seconds=1))

    assert seen(connection).status == Connection.Status.KEYS_ENDED
    assert answer(software) == (401, "expired")
    assert "The keys ended on" in page(connection, owner)


def test_people_are_told_30_7_and_1_days_before_and_on_the_day_each_once(owner, clock):
    connect(owner, ends_at=expiry.moment_of(date(2027, 1, 20)))
    told = {}

    for _hour in range(24 * 70):
        clock.shift(timedelta(hours=1))
        if services.warn_of_expiry():
            told[timezone.localtime().isoformat()[:13]] = subjects()[-1]

    assert list(told) == ["2026-12-21T07", "2027-01-13T07", "2027-01-19T07", "2027-01-20T07"]
    assert all(
        "20 January 2027" in subject or "Jan. 20, 2027" in subject for subject in told.values()
    )


def test_after_a_long_stop_of_the_worker_only_the_last_notice_is_sent(owner, clock):
    connect(owner, ends_at=expiry.moment_of(date(2027, 1, 20)))
    clock.move_to("2027-01-19T12:00:00+01:00", tick=False)

    assert [services.warn_of_expiry() for _time in range(2)] == [1, 0]


def test_whoever_has_just_chosen_a_near_end_is_not_told_of_it_at_once(owner):
    connection, _pair = connect(owner)

    services.change_end(
        connection=connection, ends_at=expiry.moment_of(date(2026, 11, 24)), by=owner
    )

    assert services.warn_of_expiry() == 0


def test_another_end_is_told_anew_and_no_end_is_not_told(owner, clock):
    connection, _pair = connect(owner, ends_at=expiry.moment_of(date(2027, 1, 20)))
    clock.move_to("2026-12-22T12:00:00+01:00", tick=False)
    assert services.warn_of_expiry() == 1

    services.change_end(
        connection=connection, ends_at=expiry.moment_of(date(2027, 2, 22)), by=owner
    )
    clock.move_to("2027-01-24T12:00:00+01:00", tick=False)
    assert services.warn_of_expiry() == 1

    services.change_end(connection=connection, ends_at=None, by=owner)
    clock.move_to("2027-02-22T12:00:00+01:00", tick=False)
    assert (services.warn_of_expiry(), seen(connection).keys_ended) == (0, "")


def test_the_worker_does_all_of_it():
    jobs = {
        services.end_overdue,
        services.warn_of_expiry,
        services.warn_of_overlap,
        services.tell_safe_to_end,
    }

    assert jobs <= {*work.ALWAYS, *work.NOW_AND_THEN}


def test_the_form_of_the_end_says_what_to_choose_and_keeps_what_was_typed(connection):
    client = signed_in(connection.owner)

    yesterday = client.post(connection.url("expiry"), {"ends_on": "2026-11-17"})
    nonsense = client.post(connection.url("expiry"), {"ends_on": "next week"})
    done = client.post(connection.url("expiry"), {"ends_on": "2026-11-21"}, follow=True)

    assert [it.status_code for it in (yesterday, nonsense, done)] == [422, 422, 200]
    assert 'value="2026-11-17"' in yesterday.content.decode()
    assert seen(connection).keys_end_at == expiry.moment_of(date(2026, 11, 23))


# Pause


def test_a_paused_connection_refuses_and_resumes_with_the_same_keys(connection, old):
    services.pause(connection=connection, by=connection.owner)
    refused = old.me()
    assert (refused.status_code, refused.json()["code"]) == (403, "ERRIAU3000002")
    assert seen(connection).status == Connection.Status.PAUSED

    services.resume(connection=connection, by=connection.owner)

    assert answer(old) == (200, None)
    assert [it.split(":")[0] for it in subjects()][-2:] == ["Paused", "Resumed"]


def test_pausing_or_resuming_twice_says_so(connection):
    with pytest.raises(services.NotPaused):
        services.resume(connection=connection, by=connection.owner)
    services.pause(connection=connection, by=connection.owner)
    with pytest.raises(services.PausedAlready):
        services.pause(connection=connection, by=connection.owner)


def test_both_buttons_work_and_a_second_click_is_told(connection, old):
    client = Client()
    client.force_login(connection.owner)

    for name, said in [
        ("pause", "The connection is paused"),
        ("pause", "This connection is paused already"),
        ("resume", "The connection works again"),
    ]:
        answered = client.post(connection.url(name), follow=True)
        assert said in answered.content.decode()

    assert client.get(reverse("connections:overview") + "?status=paused").status_code == 200
    assert answer(old) == (200, None)


def test_two_connections_to_one_administration_are_wanted_or_not_made(owner):
    first, _pair = connect(owner, administration="Bakery")

    with pytest.raises(services.ConfirmFirst) as asked:
        connect(owner, administration="bakery", confirmed=False)
    connect(owner, administration="Shop", confirmed=False)
    connect(owner, administration="BAKERY", confirmed=True)

    assert (asked.value.connections, Connection.objects.count()) == ([first], 3)


def test_packages_whose_administration_nobody_named_are_no_rivals(owner, connection):
    other, _pair = connect(owner, confirmed=False)

    page = (
        signed_in(owner)
        .get(
            reverse(
                "connections:create",
                kwargs={
                    "organisation": connection.organisation.organisation_id,
                    "app": AppFactory().pk,
                },
            )
        )
        .text
    )

    assert "is connected to other packages too" in page
    assert str(other.app) in page


def test_the_form_asks_for_the_confirmation_and_loses_nothing_typed(owner, connection):
    client, app = signed_in(owner), AppFactory()
    url = reverse(
        "connections:create",
        kwargs={"organisation": connection.organisation.organisation_id, "app": app.pk},
    )
    Connection.objects.update(reported="Bakery")
    typed = {"name": "Second one", "access": "all", "op_id": uuid.uuid4(), "ends_on": "2027-02-03"}
    typed["administration"] = "bakery"

    asked = client.post(url, typed)
    done = client.post(url, {**typed, "confirmed": "on"})

    said = asked.content.decode()
    assert (asked.status_code, done.status_code) == (422, 200)
    assert "Two active connections to the same administration can conflict" in said
    assert "I want both connections" in said
    assert 'value="Second one"' in said
    assert 'value="2027-02-03"' in said


def test_the_software_reports_its_administration_and_the_page_says_where_it_differs(
    connection, old
):
    told = old.put("/administration", '{"name": " Bakery  B.V. "}')

    assert told.json()["reported"] == "Bakery B.V."
    assert "as the software says" in page(connection, connection.owner)
    with pytest.raises(services.ConfirmFirst):
        connect(connection.owner, administration="bakery b.v.", confirmed=False)
    Connection.objects.update(administration="Shop")
    assert "the software says Bakery B.V." in page(connection, connection.owner)


@pytest.mark.parametrize("name", ["\\u0000", "x" * 61])
def test_what_cannot_be_a_name_of_an_administration_is_refused(connection, old, name):
    assert old.put("/administration", f'{{"name": "{name}"}}').status_code == 422
