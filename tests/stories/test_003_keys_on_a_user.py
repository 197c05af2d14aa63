"""The first part of "Creating API key from Tripletex": the Integrations service, and keys on a user."""

import pytest
from playwright.sync_api import expect

from accounts.models import User
from accounts.roles import Role
from connections.functions import FUNCTIONS
from tests.browsing import create_keys, sign_in
from tests.factories import (
    AppFactory,
    EnvironmentFactory,
    MembershipFactory,
    OrganisationFactory,
)
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOURS_ONLY = ["GetAccountParties", "GetInboxDocuments"]


@pytest.fixture
def organisation():
    return OrganisationFactory(
        name="Online store", environment=EnvironmentFactory(without_integrations=True)
    )


@pytest.fixture
def administrator(organisation):
    place = MembershipFactory(
        organisation=organisation, user__administrator=True, user__with_login=True
    )
    return place.user


@pytest.fixture
def employee(organisation):
    return MembershipFactory(
        organisation=organisation,
        user__advanced=True,
        user__first_name="Kari",
        accesses=HOURS_ONLY,
    ).user


def create(page, access, name):
    page.get_by_label(access).check()
    page.get_by_label("Name of the key").fill(name)
    create_keys(page)


def keys_of(page):
    return page.get_by_label("App Key").input_value(), page.get_by_label("Secret").input_value()


def opened(portal, keys, organisation):
    """The functions that the API lists for these keys."""
    _status, answer = Package(portal, *keys, organisation.organisation_id).test()
    return {function["function"] for function in answer["functions"]}


def test_an_administrator_creates_keys_on_an_employee(
    browse, portal, organisation, administrator, employee
):
    AppFactory(name="Mystore")
    page = browse()
    main = page.get_by_role("main")
    sign_in(page, administrator.email)

    with step('Order the additional service "Integrations" via "Company>My subscription.'):
        page.get_by_role("link", name="Connections").first.click()
        expect(main).to_contain_text("has not activated the Integrations service yet")
        main.get_by_role("link", name="Read the terms and activate it").click()

    with step("This is done by an account or user administrator in the company."):
        assert User.objects.get(pk=administrator.pk).role == Role.ADMINISTRATOR

    with step('Read through the terms and conditions and click "Activate".'):
        expect(main.get_by_role("heading", name="Terms")).to_be_visible()
        main.get_by_label("I have read the terms").check()
        main.get_by_role("button", name="Activate").click()
        expect(main).to_contain_text(f"{administrator} accepted the terms of version")

    with step('Go to employee ("Company>Employees>Select Employee")'):
        page.get_by_role("link", name="Users").click()
        main.get_by_role("link", name=str(employee)).click()

    with step('Click on the "API Access" tab.'):
        main.get_by_role("link", name="API access").click()
        expect(main.get_by_role("heading", name="No keys yet")).to_be_visible()

    with step('Click on "New key".'):
        main.get_by_role("link", name="New key").click()

    with step("you should select the application that you want to have an integration against"):
        main.get_by_label("Application", exact=True).select_option(label="Mystore")
        main.get_by_role("button", name="Continue").click()

    with step(
        "Missing accesses such as the actual user on which the key is created will be locked"
    ):
        main.get_by_label("Decide for yourself").check()
        locked = main.get_by_role("checkbox", disabled=True)
        assert locked.count() == len(FUNCTIONS) - len(HOURS_ONLY)
        expect(main).to_contain_text("The owner of the key does not have it")

    with step('Click on "Create key"'):
        create(page, "All accesses", "Web shop")

    with step("you will now get a new dialog box with a unique key."):
        keys = keys_of(page)
        expect(main).to_contain_text("The Secret is shown once.")

    with step("you will not be able to create a key that can do anything more than this"):
        assert opened(portal, keys, organisation) == set(HOURS_ONLY)

    with step('Once you have saved the key somewhere safe, you can tap "OK".'):
        main.get_by_role("link", name="OK").click()

    with step("The application will now show up in the overview of API user keys."):
        row = main.get_by_role("row").filter(has_text="Web shop")
        expect(row).to_contain_text("Mystore")

    with step("The key appears only once."):
        assert keys[1] not in page.content()

    with step('"Give user key this user\'s accesses" copies the permissions from the user'):
        page.goto(f"{portal}/users/{employee.pk}/api-access/new/")
        main.get_by_text("Is the application not in the list?").click()

    with step('You can tick "Custom Setup" and type the application name manually.'):
        main.get_by_label("Custom set-up").check()
        main.get_by_label("Application name").fill("mystore")
        main.get_by_role("button", name="Continue").click()
        expect(main).to_contain_text("It is registered as “Mystore”. Use that spelling.")
        main.get_by_label("Application name").fill("Year-end tool")
        main.get_by_role("button", name="Continue").click()
        create(page, "This user's accesses", "Annual accounts")
        copied = keys_of(page)
        assert opened(portal, copied, organisation) == set(HOURS_ONLY)
        main.get_by_role("link", name="OK").click()

    with step('"Decide for yourself" will then not grant any access to the integration yet'):
        page.goto(f"{portal}/users/{employee.pk}/api-access/new/")
        main.get_by_text("Is the application not in the list?").click()
        main.get_by_label("Custom set-up").check()
        main.get_by_label("Application name").fill("Time sheet")
        main.get_by_role("button", name="Continue").click()
        create(page, "Decide for yourself", "Hours")
        empty = keys_of(page)
        assert opened(portal, empty, organisation) == set()
        main.get_by_role("link", name="OK").click()

    with step("edit the accesses on the key yourself under the API access tab by clicking on the"):
        main.get_by_role("link", name="Time sheet").click()
        main.get_by_role("checkbox", name="List received invoices").check()
        main.get_by_role("button", name="Save accesses").click()
        assert opened(portal, empty, organisation) == {"GetInboxDocuments"}

    with step("Nor can they be added unless those accesses are delegated to the employee"):
        page.goto(f"{portal}/users/{employee.pk}/api-access/")
        main.get_by_role("link", name="Edit accesses").last.click()
        main.get_by_role("checkbox", name="Send invoices").check()
        main.get_by_role("button", name="Save accesses").click()
        assert "SendDocument" in opened(portal, keys, organisation)
        assert opened(portal, copied, organisation) == set(HOURS_ONLY)

    with step("At any given time, a key can only have the same or less access to the system"):
        main.get_by_role("link", name="Edit accesses").last.click()
        main.get_by_role("checkbox", name="Send invoices").uncheck()
        main.get_by_role("button", name="Save accesses").click()
        expect(main).to_contain_text("loses: send invoices")
        main.get_by_role("button", name="Take them away").click()
        expect(page.get_by_role("status")).to_contain_text("are changed")
        assert opened(portal, keys, organisation) == set(HOURS_ONLY)
