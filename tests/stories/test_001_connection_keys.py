"""Create connection keys (App Key and Secret) and revoke a connection.

One key for several organisations and the Autopilot's page come later; their sentences are played when they
are there.
"""

import pytest
from playwright.sync_api import expect

from accounts.models import ElectronicAddress
from tests.browsing import pasted, sign_in
from tests.factories import AppFactory, MembershipFactory, OrganisationFactory, connect
from tests.invoices.documents import invoice
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BAKERY, MILL = "0088:7300010000001", "0192:987654325"


@pytest.fixture
def sanne():
    """An advanced user of a bakery with two organisations."""
    bakery = _organisation_at(BAKERY, name="Bakery", registration_number="71234561")
    membership = MembershipFactory(organisation=bakery, user__advanced=True, user__with_login=True)
    shop = OrganisationFactory(environment=bakery.environment, name="Shop")
    MembershipFactory(organisation=shop, user=membership.user)
    return membership.user


@pytest.fixture
def mill(portal):
    """The package of a supplier, connected long ago."""
    connection, pair = connect(organisation=_organisation_at(MILL, name="Mill"))
    organisation = connection.organisation.organisation_id
    return Package(portal, pair.app_key, pair.secret.reveal(), organisation)


def _organisation_at(address, **values):
    organisation = OrganisationFactory(**values)
    ElectronicAddress.objects.create(organisation=organisation, value=address)
    return organisation


def from_mill(number):
    return invoice(number=number, supplier=MILL, customer=BAKERY, company="")


def create_keys(page, organisation):
    """From the overview to the page that shows the keys."""
    page.goto("/")
    page.get_by_role("link", name="Create new connection").click()
    page.get_by_role("link", name=organisation).click()
    page.get_by_role("link", name="Yuki").click()
    page.get_by_role("button", name="Create keys").click()


def enter_keys(page):
    """Copy each part from the page and paste it into the settings of the software."""
    page.get_by_role("button", name="Copy App Key").wait_for()
    page.wait_for_load_state()  # its scripts listen
    values = []
    for button in ("Copy App Key", "Copy Secret", "Copy ID"):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("status").filter(has_text="Copied")).not_to_have_count(0)
        values.append(pasted(page))
    return Package(page.url.partition("/organisations/")[0], *values)


def reason(refusal):
    status, problem = refusal
    return status, problem["code"], problem.get("reason")


def test_create_enter_lose_revoke_delete_and_reconnect(browse, sanne, mill):
    AppFactory(name="Yuki")
    page = browse()
    sign_in(page, sanne.email)
    main = page.get_by_role("main")

    with step("you need connection keys."):
        page.goto("/connections/")
        expect(main).to_contain_text("No connections yet")

    with step("You can create them in just a few steps."):
        create_keys(page, "Bakery")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your keys for Yuki are ready")

    with step("These consist of an App Key and a Secret"):
        expect(page.get_by_label("App Key", exact=True)).to_be_editable(editable=False)
        expect(page.get_by_label("Secret", exact=True)).to_be_editable(editable=False)
        expect(main).to_contain_text("The Secret is shown once.")

    with step("After creating the keys, enter them in your software package."):
        yuki = enter_keys(page)
        status, answer = yuki.test()
        assert (status, answer["app_key"]) == (200, yuki.app_key)

    with step("Treat the Secret like a password and do not share it publicly."):
        expect(main).to_contain_text("Treat the Secret like a password")
        page.get_by_role("link", name="I have stored the Secret").click()
        expect(main).to_contain_text("Working: last accepted call")
        assert yuki.app_key in page.content()
        assert yuki.secret not in page.content()

    with step("they form the credentials that allow your software to send and receive invoices"):
        alone = Package(yuki.portal, yuki.app_key, "", yuki.organisation)
        assert reason(alone.test()) == (401, "ERRIAU6000007", None)
        status, sent = yuki.send(invoice(number="B-1", supplier=BAKERY, customer=MILL))
        assert (status, sent["status"]) == (201, "delivered")
        mill.send(from_mill("M-1"))
        assert yuki.fetch(*yuki.ready()) == from_mill("M-1")

    with step(
        "If you manage multiple organizations in your environment, create a separate set of connection keys"
        " for each organization. The App Key is unique per organization-connection."
    ):
        create_keys(page, "Shop")
        shop = enter_keys(page)
        assert (shop.test()[0], shop.app_key == yuki.app_key) == (200, False)
        elsewhere = Package(yuki.portal, yuki.app_key, yuki.secret, shop.organisation)
        assert reason(elsewhere.send(b""))[:2] == (403, "ERRGRP3000006")

    with step(
        "If you have lost the Secret, you cannot request a new Secret. You need to create a new set of"
        " connection keys."
    ):
        page.goto("/connections/")
        row = page.get_by_role("row").filter(has_text="Bakery")
        row.get_by_role("link", name="Yuki").click()
        page.get_by_role("link", name="Create new keys").click()
        page.get_by_role("button", name="Create keys").click()
        lost, yuki = yuki, enter_keys(page)
        assert (yuki.app_key == lost.app_key, yuki.secret == lost.secret) == (False, False)

    with step("The old keys become invalid."):
        assert reason(lost.test()) == (401, "ERRIAU6000007", "superseded")

    with step("Don't forget to update the new keys in your software as well."):
        expect(main).to_contain_text("Until Yuki has the new keys, it sends and receives nothing.")
        page.get_by_role("link", name="I have stored the Secret").click()
        expect(main).to_contain_text("The software still calls with the old keys: 1 time")
        assert yuki.test()[0] == 200

    with step("you can revoke the connection."):
        mill.send(from_mill("M-2"))
        page.get_by_role("link", name="Revoke connection").click()
        expect(main).to_contain_text("What stops, at once and for ever")
        expect(main).to_contain_text("Invoices that were ready but not retrieved: they wait")
        page.get_by_role("button", name="Revoke connection").click()
        expect(main).to_contain_text(f"Revoked by {sanne}")
        assert reason(yuki.test()) == (401, "ERRIAU6000007", "revoked")

    with step(
        "After revoking, you can delete the connection entirely: go back to the overview, click the three"
        " dots next to the revoked connection and choose Delete connection."
    ):
        page.get_by_role("link", name="Connections").first.click()
        row.get_by_role("button", name="Actions for Yuki").click()
        page.get_by_role("link", name="Delete connection").click()
        page.get_by_role("button", name="Delete connection").click()
        expect(page.get_by_role("heading", name="No connections yet")).to_be_visible()
        page.goto("/connections/")
        expect(row).to_have_count(0)

    with step(
        "Also revoke the connection in your software package. Otherwise the software keeps trying to"
        " communicate through the old keys."
    ):
        assert [reason(yuki.test())[0] for _attempt in range(3)] == [401, 401, 401]

    with step(
        "Want to reconnect? Create a new set of connection keys. The old keys no longer work after revoking."
    ):
        create_keys(page, "Bakery")
        again = enter_keys(page)
        assert (again.test()[0], yuki.test()[0], lost.test()[0]) == (200, 401, 401)

    with step("Two active connections to the same administration can conflict."):
        create_keys(page, "Bakery")
        expect(main.get_by_role("alert")).to_contain_text("Yuki")
        expect(main.get_by_role("link", name="Create new keys")).to_be_visible()
        assert again.test()[0] == 200

    with step("Revoking does not affect invoices that have already been sent or received."):
        assert again.sent() == {"B-1": "delivered"}
        assert set(again.received()) == {"M-1", "M-2"}

    with step("New invoices are no longer exchanged through the old connection."):
        mill.send(from_mill("M-3"))
        assert reason(yuki.send(from_mill("M-4")))[0] == 401
        assert [again.fetch(id) for id in again.ready()] == [from_mill("M-3")]

    with step("Invoices that were ready but not retrieved can be retrieved later by reconnecting"):
        assert again.received() == {
            "M-1": "not offered",
            "M-2": "not offered",
            "M-3": "retrieved",
        }

    with step('using "Re-offer to API"'):
        page.get_by_role("link", name="Invoices").first.click()
        page.get_by_role("link", name="M-2").click()
        main.get_by_role("button", name="Re-offer to API").click()
        expect(main).to_contain_text("Re-offered by")
        assert [again.fetch(id) for id in again.ready()] == [from_mill("M-2")]


def test_invoices_that_were_ready_arrive_after_reconnecting(browse, sanne, mill):
    AppFactory(name="Yuki")
    page = browse()
    sign_in(page, sanne.email)
    main = page.get_by_role("main")
    create_keys(page, "Bakery")
    yuki = enter_keys(page)
    for number in ("M-1", "M-2", "M-3", "M-3"):
        mill.send(from_mill(number))
    yuki.fetch(yuki.ready()[0])

    with step("you can revoke the connection."):
        page.get_by_role("link", name="I have stored the Secret").click()
        page.get_by_role("link", name="Revoke connection").click()
        page.get_by_role("button", name="Revoke connection").click()
        assert reason(yuki.test()) == (401, "ERRIAU6000007", "revoked")

    with step("Want to reconnect? Create a new set of connection keys."):
        create_keys(page, "Bakery")
        again = enter_keys(page)
        assert again.ready() == []

    with step(
        "Invoices that were ready but not retrieved can be retrieved later by reconnecting and using"
        ' "Re-offer to API"'
    ):
        page.goto(f"/organisations/{again.organisation}/invoices/")
        page.get_by_label("Delivery").select_option("Not offered")
        page.get_by_role("link", name="Re-offer all 3 that were found").click()
        expect(main).to_contain_text("1 of them is a duplicate")
        main.get_by_role("button", name="Re-offer to API").click()
        expect(main).to_contain_text("2 invoices are offered again.")
        expect(main).to_contain_text("It is a duplicate. Mark it as original first.")
        arrived = [again.fetch(id) for id in again.ready()]
        assert arrived == [from_mill("M-2"), from_mill("M-3")]
        page.reload()
        expect(main).to_contain_text("2 of 2 retrieved since")

    with step("Mark as original"):
        page.get_by_role("row").filter(has_text="Refused").get_by_role("link").click()
        main.get_by_role("button", name="Mark as original").click()
        main.get_by_role("button", name="Re-offer to API").click()
        expect(main).to_contain_text("Re-offered by")
        assert [again.fetch(id) for id in again.ready()] == [from_mill("M-3")]


def test_quick_connect(browse, portal, settings, sanne):
    settings.BOOKS_API = f"{portal}/api/v1"
    AppFactory(name="Yuki", quick_connect=True, connect_url=f"{portal}/books/connect/")
    page = browse()
    sign_in(page, sanne.email)
    create_keys(page, "Bakery")

    with step(
        "The email address you enter in Quick Connect must be the address linked to the administration in"
        " your software package."
    ):
        page.get_by_label("Email of the administration in Yuki").fill("books@bakery.example")

    with step("Do not use the email address of your eConnect account."):
        warning = page.get_by_text("This is the address you sign in with here.")
        expect(warning).to_have_count(0)
        page.get_by_label("Email of the administration in Yuki").fill(sanne.email)
        expect(warning).to_be_visible()
        page.get_by_label("Email of the administration in Yuki").fill("books@bakery.example")

    with step(
        "Instead of copying the App Key and Secret separately, a connection window opens where you paste both"
        " keys at once with CTRL+V."
    ):
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="Quick Connect", exact=True).click()
        window = opened.value
        window.wait_for_load_state()  # its script reads what is pasted
        expect(window.get_by_label("Paste the text")).to_be_focused()
        window.keyboard.press("Control+V")
        expect(window.get_by_text("recognised")).to_be_visible()
        expect(window.get_by_text("books@bakery.example", exact=True)).to_be_visible()

    with step("With Quick Connect you enter the keys in an accelerated way."):
        window.get_by_role("button", name="Connect", exact=True).click()
        expect(window.get_by_text("Connected: these keys are for Bakery")).to_be_visible()

    with step("See which integration method fits your package."):
        page.get_by_role("link", name="I have stored the Secret").click()
        page.get_by_role("link", name="Overview").first.click()
        page.get_by_role("link", name="Integration methods").click()
        row = page.get_by_role("row").filter(has_text="Yuki")
        expect(row.get_by_role("cell")).to_have_text(
            ["Connection keys", "Sends and receives", "yes", "Basic"]
        )
