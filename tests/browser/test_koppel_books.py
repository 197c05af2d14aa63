"""Koppel Books in a real browser: CTRL+V, the whole loop, and every page accessible and fitting a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from connections.books.models import Administration
from tests.browsing import troubles_of
from tests.factories import connect, organisation_at
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BAKERY, MILL = "0088:7300010000001", "0192:987654325"
LOOKS = {"light": {"color_scheme": "light"}, "dark": {"color_scheme": "dark"}}


@pytest.fixture
def bakery(portal, settings):
    settings.BOOKS_API = f"{portal}/api/v1"
    return connect(organisation=organisation_at(BAKERY, name="Bakery"))


@pytest.fixture
def mill():
    return connect(organisation=organisation_at(MILL, name="Mill"))


def text_of(connected):
    connection, pair = connected
    return (
        f"APP_KEY:{pair.app_key};SECRET_KEY:{pair.secret.reveal()};"
        f"EMAIL_ID:books@bakery.example;COMPANY_ID:{connection.organisation.organisation_id};"
    )


def copy(page, text):
    """Put `text` on the clipboard of the browser as another program would."""
    window = page.context.new_page()
    window.set_content("<textarea autofocus></textarea>")
    window.locator("textarea").fill(text)
    window.locator("textarea").press("Control+A")
    window.locator("textarea").press("Control+C")
    window.close()


@pytest.mark.parametrize("script", [True, False])
def test_ctrl_v_and_a_click_connect(browse, bakery, script):
    page = browse(java_script_enabled=script)
    copy(page, text_of(bakery))
    page.goto("/books/connect/")
    expect(page.get_by_label("Paste the text")).to_be_focused()
    page.keyboard.press("Control+V")
    if not script:
        page.get_by_role("button", name="Read").click()

    expect(page.get_by_text("recognised")).to_be_visible()
    expect(page.get_by_text(bakery[1].secret.reveal())).not_to_be_visible()
    assert Administration.objects.count() == 0

    page.get_by_role("button", name="Connect", exact=True).click()

    expect(page.get_by_text("Connected: these keys are for Bakery")).to_be_visible()


def test_a_typing_error_is_said_at_once_and_mended_in_place(browse, bakery):
    text = text_of(bakery)
    page = browse()
    copy(page, text.replace("SECRET_KEY:kps_", "SECRET_KEY:kps_x"))
    page.goto("/books/connect/")
    expect(page.get_by_label("Paste the text")).to_be_focused()
    page.keyboard.press("Control+V")
    expect(page.get_by_text("The Secret has a typing error.")).to_be_visible()

    page.locator("textarea").fill(text)
    page.get_by_role("button", name="Read").click()

    expect(page.get_by_text("Both keys were found.")).to_be_visible()


def test_the_guide_leads_to_the_first_invoices(browse, bakery, mill):
    connection, pair = mill
    Software(pair, connection.organisation).send(
        invoice(number="M-1", supplier=MILL, customer=BAKERY, company="")
    )
    page = browse()
    page.goto("/books/")
    page.get_by_role("link", name="Open the installation guide").click()
    page.get_by_role("link", name="Get started").click()
    page.get_by_label("Paste the text").fill(text_of(bakery))
    page.get_by_role("button", name="I have pasted the key").click()
    page.get_by_role("button", name="Save the series").click()
    page.get_by_role("link", name="Go to your invoices").click()
    page.get_by_role("button", name="Fetch new invoices").click()
    expect(page.get_by_text("1 new invoice came")).to_be_visible()

    page.get_by_role("link", name="Send an invoice").click()
    page.get_by_label("Customer", exact=True).fill("Mill")
    page.get_by_label("Electronic address").fill(MILL)
    page.get_by_label("Description").fill("Bread")
    page.get_by_label("Amount").fill("10.00")
    page.get_by_role("button", name="Send the invoice").click()

    expect(page.get_by_role("heading", name="Invoice 50000 Delivered")).to_be_visible()


def pages(page, bakery):
    """Walk through the pages of Books, in every state that looks different; answer the name of each."""

    def visit(address, **typed):
        page.goto(f"/books/{address}")
        for name, text in typed.items():
            page.locator(f"[name={name}]").fill(text)
        if typed:
            page.locator("main form .btn.primary").first.click()
            page.wait_for_load_state()
        return address

    for address in ("", "secret/", "settings/", "connect/", "guide/", "guide/key/", "guide/done/"):
        yield visit(address)
    yield visit("settings/", app_key="kpa_x", secret="kps_x"), "wrong"
    yield visit("connect/", text="nothing"), "wrong"
    yield visit("connect/", text=text_of(bakery)), "found"
    yield visit("guide/numbers/", invoices="900000"), "colliding"
    yield visit("guide/key/", text=text_of(bakery)), "guide"
    yield visit("settings/"), "connected"
    yield visit("settings/disconnect/")
    yield visit(""), "empty lists"
    nobody = {"customer": "Nobody", "receiver": "0192:111111111", "description": "x", "net": "1"}
    yield visit("send/", **nobody), "failed"
    yield visit(""), "lists"


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_without_errors_and_fits_a_phone(browse, bakery, look):
    page, axe, wrong = browse(**LOOKS[look], reduced_motion="reduce"), Axe(), []
    troubles = troubles_of(page)
    for place in pages(page, bakery):
        found = axe.run(page, options={"resultTypes": ["violations"]})
        if found.violations_count:
            wrong.append((place, found.generate_report()))
        page.set_viewport_size({"width": 390, "height": 844})
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wrong.append((place, f"is {width} wide on a phone"))
        page.set_viewport_size({"width": 1280, "height": 800})

    assert wrong == []
    assert troubles == []
