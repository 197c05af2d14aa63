"""The whole loop in one browser: keys for Koppel Books, Quick Connect, an invoice, and the end of it."""

import pytest
from playwright.sync_api import expect

from tests.browsing import create_keys, sign_in
from tests.factories import AppFactory, MembershipFactory, connect, organisation_at
from tests.invoices.documents import invoice
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BAKERY, MILL = "0088:7300010000001", "0192:987654325"
FIRST_CALL = 15_000  # the page looks every five seconds


@pytest.fixture
def sanne(portal, settings):
    settings.BOOKS_API = f"{portal}/api/v1"
    AppFactory(name="Koppel Books", quick_connect=True, connect_url=f"{portal}/books/connect/")
    bakery = organisation_at(BAKERY, name="Bakery")
    return MembershipFactory(organisation=bakery, user__advanced=True, user__with_login=True).user


@pytest.fixture
def mill(portal):
    connection, pair = connect(organisation=organisation_at(MILL, name="Mill"))
    organisation = connection.organisation.organisation_id
    return Package(portal, pair.app_key, pair.secret.reveal(), organisation)


def test_from_the_keys_to_the_first_invoice_and_to_the_end(browse, sanne, mill):
    page = browse()
    main = page.get_by_role("main")
    sign_in(page, sanne.email)

    with step("Create: choose the package, name the key, create: App Key and Secret appear (R13)."):
        page.get_by_role("link", name="Create new connection").click()
        page.get_by_role("link", name="Koppel Books").click()
        create_keys(page)
        expect(page.get_by_role("heading", level=1)).to_have_text(
            "Your keys for Koppel Books are ready"
        )
        secret = page.get_by_label("Secret", exact=True).input_value()

    with step(
        "Quick Connect puts one text on the clipboard and opens the software's window (R37)."
    ):
        page.get_by_label("Email of the administration").fill("books@bakery.example")
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="Quick Connect", exact=True).click()
        books = opened.value
        page.get_by_role("link", name="I have stored the Secret").click()
        expect(main).to_contain_text("Made, never used.")

    with step("The connection window takes both keys with one CTRL+V (R38)."):
        books.wait_for_load_state()  # its script reads what is pasted
        expect(books.get_by_label("Paste the text")).to_be_focused()
        books.keyboard.press("Control+V")
        expect(books.get_by_text("recognised")).to_be_visible()
        expect(books.get_by_text(secret)).not_to_be_visible()
        books.get_by_role("button", name="Connect", exact=True).click()
        expect(books.get_by_text("Connected: these keys are for Bakery")).to_be_visible()

    with step("A settings page with App Key, Secret and “Save and test” (R40)."):
        books.get_by_role("button", name="Save and test the connection").click()
        expect(books.get_by_text("Connected: these keys are for Bakery")).to_be_visible()
        assert secret not in books.content()

    with step("After creation the page waits and turns to Connected by itself (R21)."):
        expect(main).to_contain_text("Working: last accepted call", timeout=FIRST_CALL)
        expect(main).not_to_contain_text("never used")

    with step("On arrival an invoice is offered to the connection that may retrieve (R50)."):
        document = invoice(number="M-1", supplier=MILL, customer=BAKERY, company="")
        assert mill.send(document)[1]["status"] == "delivered"
        books.get_by_role("link", name="Invoices").first.click()
        books.get_by_role("button", name="Fetch new invoices").click()
        expect(books.get_by_text("1 new invoice came")).to_be_visible()
        expect(books.get_by_role("row").filter(has_text="M-1")).to_contain_text("Retrieved")

    with step("Revoke: stops everything at once (R18)."):
        page.get_by_role("link", name="Revoke connection").click()
        page.get_by_role("button", name="Revoke connection").click()
        expect(main).to_contain_text(f"Revoked by {sanne}")
        expect(main).not_to_contain_text("still calls")
        books.reload()
        expect(books.get_by_role("main")).to_contain_text(
            "This connection was revoked in the portal"
        )

    with step("Still calling: calls with revoked keys are refused, counted and shown (R20)."):
        page.reload()
        expect(main).to_contain_text("The software still calls with the old keys:")
        page.get_by_role("link", name="Overview").first.click()
        expect(main).to_contain_text(
            "Koppel Books still calls with old keys: Koppel Books of Bakery"
        )
