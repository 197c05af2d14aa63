"""The activity log: what it shows, and that it only grows (R53)."""

from datetime import datetime

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.events.models import Action, Event
from accounts.events.services import record
from accounts.events.words import in_words
from accounts.roles import Role
from tests.factories import OrganisationFactory, UserFactory

ACTIVITY = "/activity/"


@pytest.fixture
def write(environment, administrator):
    """Write an event at a moment of a day in 2026."""

    def written(day="2026-03-05 12:00", action=Action.PROFILE_CHANGED, by=administrator, **values):
        at = timezone.make_aware(datetime.fromisoformat(day))
        with time_machine.travel(at, tick=False), transaction.atomic():
            return record(action, by=by, subject=administrator, environment=environment, **values)

    return written


def rows(answer):
    return [event.pk for event in answer.context["page"].rows]


def test_a_line_says_who_did_what_to_whom(office, administrator, colleague):
    services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)

    text = " ".join(office.get(ACTIVITY).content.decode().split())

    piet = f'<a href="/users/{colleague.pk}/">Piet Jansen</a>'
    assert f"<b>{administrator}</b> · Role changed · {piet}: Basic user → Advanced user" in text


def test_a_line_about_oneself_says_the_name_once(office, administrator):
    services.change_profile(user=administrator, first_name="Ada")

    text = " ".join(office.get(ACTIVITY).content.decode().split())

    assert "· Profile changed: first name ·" in text


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({}, ""),
        ({"from": "basic", "to": "administrator"}, "Basic user → Administrator"),
        ({"role": "advanced"}, "Advanced user"),
        ({"again": True}, "sent again"),
        ({"method": "totp_activated"}, "authenticator app added"),
        ({"method": "something_new"}, "something_new"),
        ({"added": ["KPNL10001", "KPNL10002"], "removed": []}, "added: KPNL10001, KPNL10002"),
        ({"changed": ["first_name", "language"]}, "first name, language"),
        ({"changed": {"sending": False}}, "sends invoices: no"),
        ({"access": "chosen", "app_key": "KP1"}, "access: Decide for yourself; App Key: KP1"),
        ({"some_new_thing": 3}, "some new thing: 3"),
    ],
)
def test_details_are_plain_words(details, words):
    assert in_words(details) == words


def test_the_newest_line_stands_first(office, write):
    events = [write(f"2026-03-0{day} 12:00").pk for day in (2, 3, 1)]

    assert rows(office.get(ACTIVITY)) == [events[1], events[0], events[2]]


def test_other_environments_have_their_own_log(browser_of, write):
    write()

    answer = browser_of(UserFactory(administrator=True)).get(ACTIVITY)

    assert rows(answer) == []
    assert "Nothing happened that fits this filter." in answer.content.decode()


def test_filters_find_action_person_and_organisation(office, write, colleague, organisation):
    write()
    by_colleague = write(by=colleague)
    joined = write(action=Action.USER_JOINED)
    there = write(organisation=organisation)

    assert rows(office.get(ACTIVITY, {"person": colleague.pk})) == [by_colleague.pk]
    assert rows(office.get(ACTIVITY, {"action": "user.joined"})) == [joined.pk]
    assert rows(office.get(ACTIVITY, {"organisation": organisation.pk})) == [there.pk]
    assert (
        rows(office.get(ACTIVITY, {"organisation": organisation.pk, "person": colleague.pk})) == []
    )


def test_who_was_removed_can_still_be_asked_for(office, write, administrator, colleague):
    event = write(by=colleague)
    services.remove(user=colleague, by=administrator)

    answer = office.get(ACTIVITY, {"person": colleague.pk})

    assert rows(answer) == [event.pk]
    assert "Piet Jansen (removed)" in answer.content.decode()


@pytest.mark.parametrize(
    ("period", "found"),
    [
        ({"since": "2026-03-02"}, [3, 2]),
        ({"until": "2026-03-02"}, [2, 1]),
        ({"since": "2026-03-02", "until": "2026-03-02"}, [2]),
        ({"since": "2026-03-04"}, []),
        ({"since": "no day"}, [3, 2, 1]),
        ({"since": "0001-01-01", "until": "9999-12-31"}, [3, 2, 1]),
    ],
)
def test_a_period_holds_its_whole_days_in_our_time(office, write, period, found):
    events = {
        1: write("2026-03-01 23:59:59").pk,
        2: write("2026-03-02 00:00").pk,
        3: write("2026-03-03 00:00").pk,
    }

    assert rows(office.get(ACTIVITY, period)) == [events[number] for number in found]


@pytest.mark.parametrize(
    "query",
    [
        {"action": "user.unheard_of"},
        {"person": "999999999999999999999999"},
        {"person": "x\0"},
        {"organisation": "-1"},
        {"organisation": "9" * 40},
        {"after": "AAAA"},
        {"after": "x" * 9000},
    ],
)
def test_a_filter_that_cannot_be_meant_narrows_nothing(office, write, query):
    event = write()

    assert rows(office.get(ACTIVITY, query)) == [event.pk]


def test_organisations_of_others_are_no_filter(office, write):
    event = write()

    assert rows(office.get(ACTIVITY, {"organisation": OrganisationFactory().pk})) == [event.pk]


def test_the_log_goes_on_where_the_page_ends(office, write):
    events = [write(f"2026-03-05 12:{minute:02}:00").pk for minute in range(55)]

    first = office.get(ACTIVITY, {"action": Action.PROFILE_CHANGED})
    second = office.get(f"{ACTIVITY}?{first.context['page'].query}")

    assert rows(first) + rows(second) == events[::-1]


def test_a_longer_log_takes_no_more_queries(office, write, organisation):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            office.get(ACTIVITY)
        return len(captured)

    write(organisation=organisation)
    queries()
    one = queries()
    write(organisation=organisation)
    write(organisation=organisation)

    assert queries() == one


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: Event.objects.update(actor_name="x"),
        lambda event: Event.objects.all().delete(),
        lambda event: Event.objects.bulk_update([event], ["actor_name"]),
        lambda event: event.environment.events.all().delete(),
        lambda event: event.environment.events.update(action="x"),
    ],
)
def test_a_line_is_never_changed_nor_deleted(write, change):
    before = Event.objects.values().get(pk=write().pk)

    with pytest.raises(TypeError), transaction.atomic():
        change(Event.objects.get(pk=before["id"]))

    assert Event.objects.values().get() == before


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_of_a_transaction_is_refused(environment, administrator):
    with pytest.raises(RuntimeError):
        record(
            Action.PROFILE_CHANGED, by=administrator, subject=administrator, environment=environment
        )


def test_an_event_goes_with_the_change_that_failed(environment, administrator, colleague):
    with transaction.atomic():
        services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)
        transaction.set_rollback(True)

    assert not Event.objects.exists()


def test_an_event_names_the_request_that_made_it(office, colleague):
    answer = office.post(reverse("accounts:user-block", args=[colleague.pk]))

    assert Event.objects.get().request_id == answer["X-Request-ID"]
