"""The Integrations service: ordered with its terms, ended, and what hangs on it (R8, R9)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.integrations import TERMS
from accounts.mail.models import Mail
from accounts.models import Plan
from accounts.roles import Role
from connections.models import Connection
from connections.refusals import IntegrationsOff
from tests.browsing import session_of
from tests.factories import (
    AppFactory,
    EnvironmentFactory,
    MembershipFactory,
    UserFactory,
    connect,
    let_in,
)
from tests.software import Software

PAGE = "/environment/integrations/"
ACTIVATE = f"{PAGE}activate/"
END = f"{PAGE}end/"
ACCEPTED = {"terms": TERMS, "read": "on"}
OFF = (403, "ERRPRO3000001")


@pytest.fixture
def environment():
    return EnvironmentFactory(name="Bakery Jansen", without_integrations=True)


def recent_browser_of(user):
    """A browser in which this person has just typed the password."""
    client = Client()
    client.cookies["sessionid"] = session_of(user)
    return client


def answer(pair, organisation):
    response = Software(pair, organisation).me()
    return response.status_code, response.json().get("code")


def activated():
    return Event.objects.filter(action=Action.INTEGRATIONS_ACTIVATED)


# Activating


def test_activating_keeps_which_terms_who_and_when(
    office, administrator, environment, time_machine
):
    at = timezone.now() + timedelta(hours=1)
    time_machine.move_to(at, tick=False)

    office.post(ACTIVATE, ACCEPTED)

    environment.refresh_from_db()
    kept = environment.integrations_terms, environment.integrations_by, environment.integrations_at
    assert kept == (TERMS, administrator, at)
    event = activated().get()
    assert (event.environment, event.actor, event.details) == (
        environment,
        administrator,
        {"terms": TERMS},
    )


def test_the_page_says_who_accepted_which_terms(office, administrator):
    page = office.post(ACTIVATE, ACCEPTED, follow=True).text

    assert f"{administrator} accepted the terms of version {TERMS}" in page
    assert ACTIVATE not in page


def test_activating_twice_is_one_event_and_the_first_person_stays(
    office, administrator, environment
):
    office.post(ACTIVATE, ACCEPTED)
    other = recent_browser_of(UserFactory(administrator=True, environment=environment))

    again = other.post(ACTIVATE, ACCEPTED)

    environment.refresh_from_db()
    assert again.status_code == 302
    assert environment.integrations_by == administrator
    assert activated().count() == 1


def test_terms_that_are_no_longer_in_force_are_refused_with_the_newer_ones(office, environment):
    response = office.post(ACTIVATE, ACCEPTED | {"terms": "2025-01"})

    environment.refresh_from_db()
    assert response.status_code == 409
    assert "There is a newer version of the terms." in response.text
    assert f'value="{TERMS}"' in response.text
    assert (environment.has_integrations, activated().count()) == (False, 0)


@pytest.mark.parametrize(
    "posted", [{"terms": TERMS}, {"read": "on"}, {"terms": "x" * 21, "read": "on"}, {}]
)
def test_who_has_not_ticked_that_the_terms_are_read_activates_nothing(office, environment, posted):
    response = office.post(ACTIVATE, posted)

    environment.refresh_from_db()
    assert response.status_code == 422
    assert not environment.has_integrations


def test_newer_terms_are_asked_for_while_the_service_goes_on(office, environment, administrator):
    environment.integrations_terms, environment.integrations_by = "2025-01", administrator
    environment.integrations_at = timezone.now()
    environment.save()
    before = office.get(PAGE).text

    office.post(ACTIVATE, ACCEPTED)

    assert "Accept the new terms" in before
    assert "accepted the terms of version 2025-01" in before
    environment.refresh_from_db()
    assert environment.integrations_terms == TERMS
    assert activated().count() == 1


def test_the_free_plan_is_refused_with_whom_to_ask(office, environment):
    environment.plan = Plan.INVOICE_PORTAL
    environment.save()

    page, refused = office.get(PAGE), office.post(ACTIVATE, ACCEPTED)

    environment.refresh_from_db()
    assert (page.status_code, refused.status_code) == (200, 409)
    assert ACTIVATE not in page.text
    for text in (page.text, refused.text):
        assert "Support changes the plan" in text
    assert (environment.integrations_at, activated().count()) == (None, 0)


@pytest.mark.parametrize("role", [Role.BASIC, Role.ADVANCED])
def test_others_read_the_terms_and_whom_to_ask_and_change_nothing(
    browser_of, environment, administrator, role
):
    browser = browser_of(UserFactory(environment=environment, role=role))

    page = browser.get(PAGE)
    answers = [browser.post(ACTIVATE, ACCEPTED), browser.get(END), browser.post(END)]

    environment.refresh_from_db()
    assert page.status_code == 200
    assert administrator.email in page.text
    assert ACTIVATE not in page.text
    assert {response.status_code for response in answers} == {403}
    assert not environment.has_integrations


# Ending


@pytest.fixture
def place(organisation, environment, administrator):
    """An advanced user of an environment with the service."""
    environment.integrations_terms, environment.integrations_by = TERMS, administrator
    environment.integrations_at = timezone.now()
    environment.save()
    return MembershipFactory(organisation=organisation, user__advanced=True)


def end(browser):
    """Read what stops, and end it."""
    return browser.post(END, {"shown": browser.get(END).context["shown"]})


def test_before_the_end_every_key_that_would_stop_is_named_and_nothing_changes(
    office, place, environment
):
    connection, pair = connect(place.user)
    Mail.objects.all().delete()

    for response in (office.get(END), office.post(END)):
        assert response.status_code == 200
        assert connection.app.name in response.text
        assert "every call is refused" in response.text

    environment.refresh_from_db()
    assert environment.has_integrations
    assert answer(pair, place.organisation)[0] == 200
    assert not Event.objects.filter(action=Action.INTEGRATIONS_ENDED).exists()
    assert not Mail.objects.exists()


def test_at_the_end_the_keys_are_suspended_and_the_api_says_why(office, place):
    connection, pair = connect(place.user)

    end(office)

    assert answer(pair, place.organisation) == OFF
    connection = Connection.objects.for_list().get()
    assert connection.status == Connection.Status.SUSPENDED
    assert connection.opened == frozenset()
    assert connection.revoked_at is None


def test_the_end_is_one_event_and_each_administrator_hears_of_it_once(
    office, place, administrator, environment
):
    other = UserFactory(administrator=True, environment=environment)
    connect(place.user)
    Mail.objects.all().delete()

    end(office)
    office.post(END)

    event = Event.objects.get(action=Action.INTEGRATIONS_ENDED)
    assert (event.actor, event.environment) == (administrator, environment)
    told = Mail.objects.filter(subject__contains="has ended").values_list("to", flat=True)
    assert sorted(told) == sorted([administrator.email, other.email])


def test_who_saw_fewer_keys_than_there_are_is_asked_again(office, place):
    connect(place.user)
    shown = office.get(END).context["shown"]
    second, pair = connect(place.user)

    again = office.post(END, {"shown": shown})

    assert second.app.name in again.text
    assert answer(pair, place.organisation)[0] == 200
    assert office.post(END, {"shown": again.context["shown"]}).status_code == 302
    assert answer(pair, place.organisation) == OFF


def test_without_keys_it_ends_at_once(office, place, environment):
    assert office.post(END).status_code == 302

    environment.refresh_from_db()
    assert environment.integrations_at is None


def test_the_same_keys_work_again_after_activating_again(office, place):
    _connection, pair = connect(place.user)
    end(office)

    office.post(ACTIVATE, ACCEPTED)

    assert answer(pair, place.organisation)[0] == 200


def test_no_keys_are_made_or_renewed_after_the_end(office, place):
    connect(place.user, name="First")
    end(office)

    with pytest.raises(IntegrationsOff):
        connect(place.user, name="Second")
    with pytest.raises(IntegrationsOff):
        connect(place.user, name="Third", app=AppFactory(environment=place.user.environment))
    assert Connection.objects.get().name == "First"


# The accountant pays


@pytest.fixture
def asker():
    return UserFactory(advanced=True, environment__accountant=True)


@pytest.fixture
def free():
    """The place of a client's administrator in the free plan."""
    return MembershipFactory(
        user__administrator=True,
        organisation__environment=EnvironmentFactory(
            plan=Plan.INVOICE_PORTAL, without_integrations=True
        ),
    )


def test_a_client_in_the_free_plan_is_connected_when_its_accountant_pays(asker, free):
    mandate = let_in(asker, free, accountant_pays=True)

    _connection, pair = connect(asker, mandate.organisation)

    assert answer(pair, mandate.organisation)[0] == 200


def test_a_client_in_the_free_plan_that_pays_itself_is_not_connected(asker, free):
    mandate = let_in(asker, free, accountant_pays=False)

    with pytest.raises(IntegrationsOff) as refused:
        connect(asker, mandate.organisation)

    assert mandate.organisation.environment.name in str(refused.value)
    assert not Connection.objects.exists()


def test_what_the_accountant_pays_for_is_not_the_clients_own(asker, free):
    let_in(asker, free, accountant_pays=True)

    with pytest.raises(IntegrationsOff):
        connect(free.user)


def test_the_end_at_the_accountant_suspends_only_what_it_pays_for(asker, free):
    paying = MembershipFactory(user__administrator=True)
    pairs = []
    for client in (free, paying):
        mandate = let_in(asker, client, accountant_pays=client is free)
        pairs.append((connect(asker, mandate.organisation)[1], mandate.organisation))
    boss = UserFactory(administrator=True, environment=asker.environment)

    response = end(recent_browser_of(boss))

    assert response.status_code == 302
    assert [answer(*pair) for pair in pairs] == [OFF, (200, None)]


# Greyed pages


def pages_about_keys(organisation):
    of = {"organisation": organisation.organisation_id}
    return [
        reverse("home"),
        reverse("connections:overview"),
        reverse("connections:overview-of", kwargs=of),
        reverse("connections:new", kwargs=of),
        reverse("connections:create", kwargs={**of, "app": AppFactory().pk}),
    ]


def test_until_then_pages_about_keys_say_why_there_are_none_and_whom_to_ask(
    organisation, administrator
):
    user = MembershipFactory(organisation=organisation, user__advanced=True).user
    browser = recent_browser_of(user)

    for url in pages_about_keys(organisation):
        page = browser.get(url)
        assert page.status_code == 200
        assert "has not activated the Integrations service yet" in page.text, url
        assert administrator.email in page.text, url


def test_an_administrator_finds_the_way_to_activate(organisation, administrator):
    MembershipFactory(organisation=organisation, user=administrator)
    browser = recent_browser_of(administrator)

    for url in pages_about_keys(organisation):
        assert f'href="{PAGE}"' in browser.get(url).text, url


def test_in_the_free_plan_pages_about_keys_name_the_plan_and_support(free):
    browser = recent_browser_of(free.user)

    for url in pages_about_keys(free.organisation):
        assert "connections need Basic or higher" in browser.get(url).text, url


def test_the_form_of_a_greyed_page_cannot_be_sent_and_a_tampered_one_makes_nothing(
    organisation, administrator
):
    MembershipFactory(organisation=organisation, user=administrator)
    url = pages_about_keys(organisation)[-1]
    browser = recent_browser_of(administrator)

    page = browser.get(url)
    posted = {"name": "Typed", "access": "all", "op_id": page.context["form"]["op_id"].value()}
    refused = browser.post(url, posted)

    assert '<fieldset class="plain" disabled>' in page.text
    assert refused.status_code in {409, 422}
    assert "has no Integrations service now" in refused.text
    assert "Typed" in refused.text
    assert not Connection.objects.exists()


def test_an_accountant_reads_that_the_client_activates_it_but_nobodys_name_there(asker):
    place = MembershipFactory(
        user__administrator=True,
        organisation__environment=EnvironmentFactory(without_integrations=True),
    )
    mandate = let_in(asker, place, accountant_pays=False)

    page = recent_browser_of(asker).get(pages_about_keys(mandate.organisation)[2]).text

    assert "can activate it, under Environment." in page
    assert place.user.email not in page


def test_with_the_service_nothing_is_greyed(place):
    browser = recent_browser_of(place.user)

    for url in pages_about_keys(place.organisation):
        assert "No keys can be made yet." not in browser.get(url).text, url
