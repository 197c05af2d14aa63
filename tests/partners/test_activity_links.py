"""The lines of the activity log lead to what they are about, where the reader may go there."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from accounts import services as accounts
from accounts.events.links import FINDERS
from accounts.events.models import Action
from accounts.events.services import record
from accounts.models import Organisation
from accounts.roles import Role
from connections import services as connections
from partners import services as partners
from partners.models import Batch
from tests.factories import (
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
    ask,
    connect,
    let_in,
)


@pytest.fixture
def member():
    """An administrator in whose log is something of every kind."""
    place = MembershipFactory(user__administrator=True, organisation__environment__accountant=True)
    member = place.user
    connect(member)
    app = connections.create_own_app(
        environment=member.environment, name="Webshop", functions=["SendDocument"], by=member
    )
    mandate = let_in(asker=member, app=app)
    let_in(client=place)
    ask(client=place)
    colleague = UserFactory(environment=member.environment)
    partners.assign(mandate=mandate, users={member, colleague}, by=member)
    accounts.change_role(user=colleague, role=Role.ADVANCED, by=member)
    batch = Batch.objects.create(environment=member.environment, by=member, file_name="a.csv")
    record(Action.REQUESTS_STARTED, by=member, subject=batch, environment=member.environment)
    accounts.change_organisation(organisation=place.organisation, by=member, changed=["name"])
    return member


def pages(browser):
    """The pages that the lines lead to, under the kinds of things they are about."""
    rows = browser.get("/activity/").context["page"].rows
    return {row.subject_kind: row.page for row in rows}


def test_every_kind_of_thing_has_its_page(member, browser_of):
    found = pages(browser_of(member))

    assert found.keys() == FINDERS.keys()
    assert {browser_of(member).get(page).status_code for page in found.values()} == {200}


def test_nobody_is_led_where_they_may_not_go(member, browser_of):
    colleague = UserFactory(administrator=True, environment=member.environment)

    found = pages(browser_of(colleague))

    assert found["connection"] is None
    assert found["organisation"] is None
    assert found["user"]


def test_what_is_gone_is_a_name(member, browser_of):
    connection = member.environment.organisations.get().connections.get()
    connections.revoke(connection=connection, by=member)
    connections.delete(connection=connection, by=member)

    assert pages(browser_of(member))["connection"] is None


def test_more_lines_take_no_more_queries(member, browser_of):
    browser = browser_of(member)

    def queries():
        with CaptureQueriesContext(database) as captured:
            browser.get("/activity/")
        return len(captured)

    queries()
    before = queries()
    for _time in range(3):
        colleague = UserFactory(environment=member.environment)
        accounts.change_role(user=colleague, role=Role.ADVANCED, by=member)
        organisation = OrganisationFactory.build(environment=None)
        accounts.add_organisation(organisation=organisation, by=member)
        connect(member, organisation)
        ask(member)

    assert queries() == before
    assert Organisation.objects.filter(environment=member.environment).count() == 4
