"""The part of "Creating API key from Tripletex" that happens where the key is entered.

The receiving shop is Koppel Books; the part before, on the pages of the portal, is a story of its own.
"""

import pytest
from playwright.sync_api import expect

from tests.browsing import create_keys, sign_in
from tests.factories import AppFactory, MembershipFactory, connect, organisation_at
from tests.invoices.documents import invoice
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SHOP, CUSTOMER = "0088:7300010000001", "0192:987654325"


@pytest.fixture
def shopkeeper(portal, settings):
    settings.BOOKS_API = f"{portal}/api/v1"
    AppFactory(name="Koppel Books")
    shop = organisation_at(SHOP, name="Shop", registration_number="71234561")
    return MembershipFactory(organisation=shop, user__advanced=True, user__with_login=True).user


@pytest.fixture
def online_store(portal, shopkeeper):
    """The other program of the shop, which counts for itself."""
    connection, pair = connect(shopkeeper, app=AppFactory(name="Online store"))
    organisation = connection.organisation.organisation_id
    return Package(portal, pair.app_key, pair.secret.reveal(), organisation)


def copy_keys(page, shopkeeper):
    """Create keys on the pages of the portal and copy both."""
    sign_in(page, shopkeeper.email)
    page.get_by_role("link", name="Create new connection").click()
    page.get_by_role("link", name="Koppel Books").click()
    create_keys(page)
    page.get_by_role("button", name="Copy both").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).not_to_have_count(0)


def send_from_books(guide, description):
    guide.get_by_role("link", name="Invoices").first.click()
    guide.get_by_role("link", name="Send an invoice").click()
    guide.get_by_label("Customer", exact=True).fill("Customer")
    guide.get_by_label("Electronic address").fill(CUSTOMER)
    guide.get_by_label("Description").fill(description)
    guide.get_by_label("Amount").fill("10.00")
    guide.get_by_role("button", name="Send the invoice").click()


def test_the_key_is_pasted_and_both_number_series_keep_apart(browse, shopkeeper, online_store):
    connect(organisation=organisation_at(CUSTOMER, name="Customer"))
    page = browse()
    copy_keys(page, shopkeeper)
    guide = page.context.new_page()
    main = guide.get_by_role("main")

    with step(
        "Enter the new API key in the Mystore control panel under “Apps and AI > Settings and click"
        " “Installation Guide” on Tripletex V2 - Support for automatic accounting"
    ):
        guide.goto("/books/")
        guide.get_by_role("link", name="Open the installation guide").click()
        expect(main).to_contain_text("You need a key from the portal.")

    with step("Click “Get started” so that the guide proceeds to step 2."):
        guide.get_by_role("link", name="Get started").click()
        expect(main.locator("[aria-current=step]")).to_contain_text("Paste the key")

    with step("Paste the key and press “Like this! I've pasted the key”"):
        guide.get_by_label("Paste the text").press("Control+V")
        guide.get_by_role("button", name="I have pasted the key").click()
        expect(main).to_contain_text("Koppel Books is connected")

    with step("Set customer number to 100000"):
        expect(main.locator("[aria-current=step]")).to_contain_text("Number series")
        expect(guide.locator("[name=first_customer]")).to_have_value("100000")

    with step("The online store's number sequence starts by default at 6000"):
        expect(guide.locator("[name=shop_invoice]")).to_have_value("6000")

    with step(
        "Make sure that the invoice series does not conflict with your invoice series in the online store."
    ):
        guide.locator("[name=first_invoice]").fill("7000")
        guide.get_by_role("button", name="Save the series").click()
        expect(main).to_contain_text("the shop counts from 6000 to")

    with step("If you are unsure, set this to e.g. 50000."):
        guide.locator("[name=first_invoice]").fill("50000")
        guide.get_by_role("button", name="Save the series").click()
        expect(main).to_contain_text("Koppel Books is ready")
        expect(main).to_contain_text("100000")
        expect(main).to_contain_text("50000")

    with step("Avoid conflict with invoice number"):
        send_from_books(guide, "Bread")
        expect(guide.get_by_role("heading", name="Invoice 50000 Delivered")).to_be_visible()
        from_store = {"supplier": SHOP, "customer": CUSTOMER, "issued": "2026-01-31"}
        assert online_store.send(invoice(number="6000", **from_store))[0] == 201
        status, problem = online_store.send(invoice(number="50000", **from_store))
        assert (status, problem["code"]) == (409, "ERRSND4000003")
        send_from_books(guide, "Rolls")
        expect(guide.get_by_role("heading", name="Invoice 50001 Delivered")).to_be_visible()
