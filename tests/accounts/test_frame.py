"""What stands around every page."""

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from accounts.models import User
from accounts.roles import Role
from portal.context import ORGANISATIONS_SHOWN, frame
from tests.factories import MembershipFactory, OrganisationFactory, UserFactory


def request_of(user, url="/profile/"):
    request = RequestFactory().get(url)
    request.user = user
    request.resolver_match = resolve(url)
    return request


EVERYBODYS = ["Overview", "Connections", "Invoices", "Authorisations"]


@pytest.mark.parametrize(
    ("role", "labels"),
    [
        (Role.BASIC, [*EVERYBODYS, "Environment"]),
        (Role.ADVANCED, [*EVERYBODYS, "Partners", "Environment"]),
        (
            Role.ADMINISTRATOR,
            [*EVERYBODYS, "Partners", "Users", "Environment", "Activity"],
        ),
    ],
)
def test_the_menu_shows_what_the_role_opens(role, labels):
    menu = frame(request_of(UserFactory(role=role)))["frame"].menu

    assert [item.label for item in menu] == labels


def test_accountants_have_their_clients_in_the_menu():
    accountant = UserFactory(advanced=True, environment__accountant=True)

    menu = frame(request_of(accountant))["frame"].menu

    assert "Clients" in [item.label for item in menu]


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("/", "Overview"),
        ("/connections/", "Connections"),
        ("/organisations/KPNL10001/connections/", "Connections"),
        ("/users/", "Users"),
        ("/users/5/", "Users"),
        ("/users/invite/", "Users"),
        ("/environment/", "Environment"),
        ("/organisations/KPNL10001/", "Environment"),
        ("/activity/", "Activity"),
        ("/profile/", None),
    ],
)
def test_the_menu_says_where_the_page_stands(url, label):
    menu = frame(request_of(UserFactory(administrator=True), url))["frame"].menu

    assert [item.label for item in menu if item.current] == ([label] if label else [])


def test_a_page_that_draws_no_frame_pays_nothing():
    user = User.objects.get(pk=UserFactory().pk)

    with CaptureQueriesContext(connection) as captured:
        frame(request_of(user))

    assert len(captured) == 0


def test_the_organisations_take_two_queries(organisation):
    user = MembershipFactory(organisation=organisation).user
    MembershipFactory(user=user, organisation=OrganisationFactory())
    drawn = frame(request_of(user))["frame"]

    with CaptureQueriesContext(connection) as captured:
        shown = [(o.name, o.organisation_id) for o in drawn.organisations * 2]

    assert shown == [(organisation.name, organisation.organisation_id)] * 2
    assert len(captured) == 2  # whether there are many, and which


def test_the_switcher_leads_to_the_same_part_of_another_organisation(browser_of, organisation):
    user = MembershipFactory(organisation=organisation, user__administrator=True).user
    browser, other = browser_of(user), [organisation.organisation_id]

    for page, name in [
        ("/connections/", "connections:overview-of"),
        ("/invoices/", "invoices:received-of"),
    ]:
        text = browser.get(page, follow=True).text
        assert f'href="{reverse(name, args=other)}"' in text.partition("</aside>")[0]


def test_a_very_long_list_of_organisations_is_cut(environment, colleague):
    for organisation in OrganisationFactory.create_batch(
        ORGANISATIONS_SHOWN + 5, environment=environment
    ):
        MembershipFactory(user=colleague, organisation=organisation)
    drawn = frame(request_of(colleague))["frame"]

    assert len(drawn.organisations) == ORGANISATIONS_SHOWN
    assert drawn.has_more_organisations


@pytest.mark.parametrize(("number", "shown"), [(1, "Shop 0"), (2, "Choose an organisation")])
def test_an_only_organisation_is_named_and_not_offered_as_a_choice(
    browser_of, environment, colleague, number, shown
):
    for place in range(number):
        shop = OrganisationFactory(environment=environment, name=f"Shop {place}")
        MembershipFactory(user=colleague, organisation=shop)

    assert f"<small>{shown}</small>" in browser_of(colleague).get("/profile/").text


def test_a_dead_end_names_whom_to_ask(client, settings):
    settings.PORTAL_SUPPORT_EMAIL = "help@k.example"

    assert "Are you stuck? Ask help@k.example." in client.get("/nowhere/").text


def test_nobody_and_support_staff_have_no_frame(client, browser_of):
    assert client.get(reverse("account_login")).context.get("frame") is None
    assert browser_of(UserFactory(staff=True)).get("/profile/").context.get("frame") is None
