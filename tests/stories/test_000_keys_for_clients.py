"""Where to find the keys to connect your client: from the request in the mail to the invoice that is sent.

Quick Connect and the overview of integration methods come later; their sentences are played then.
"""

import re

import pytest
from playwright.sync_api import expect

from accounts.mail.models import Mail
from accounts.models import Membership, Organisation, User
from accounts.services import change_role
from partners.models import Mandate
from tests.browsing import create_keys, pasted, sign_in
from tests.factories import (
    PASSWORD,
    AppFactory,
    MembershipFactory,
    UserFactory,
    connect,
    organisation_at,
)
from tests.invoices.documents import invoice
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MILL = "0192:987654325"


@pytest.fixture
def office():
    """An accountancy: its administrator and an advanced user."""
    willem = UserFactory(
        administrator=True,
        with_login=True,
        first_name="Willem",
        environment__accountant=True,
        environment__name="Office North",
    )
    aisha = UserFactory(
        advanced=True, with_login=True, first_name="Aisha", environment=willem.environment
    )
    return willem, aisha


def newest_mail(to):
    return Mail.objects.filter(to=to).latest("pk").body


def link_in(mail):
    return re.search(r"http\S+/authorisations/link/\S+", mail)[0]


def ask(page, client, email, number):
    page.goto("/authorisations/")
    page.get_by_role("link", name="New authorisation request").click()
    page.get_by_label("Client", exact=True).fill(client)
    page.get_by_label("Email of the client").fill(email)
    page.get_by_label("Registration number").fill(number)
    page.get_by_label("Software package").select_option(label="Yuki")
    expect(page.get_by_role("checkbox").first).to_be_checked()
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_role("main")).to_contain_text("Pending")


def create_account(page, link, name):
    """What somebody without an account does with the link in the mail."""
    page.goto(link)
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Company").fill(name)
    page.get_by_label("First name").fill("Sanne")
    page.get_by_label("Last name").fill("de Wit")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    expect(page.get_by_label("Code")).to_be_visible()
    code = re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}", newest_mail("sanne@bakery.example"))
    page.get_by_label("Code").fill(code[0])
    page.get_by_role("button", name="Confirm").click()


def copied_keys(page):
    page.get_by_role("button", name="Copy both").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).not_to_have_count(0)
    return [line.partition(": ")[2] for line in pasted(page).splitlines()]


def test_an_accountant_asks_is_accepted_and_connects_the_client(browse, portal, office):
    AppFactory(name="Yuki")
    organisation_at(MILL, name="Mill")
    willem, _aisha = office
    page, client = browse(), browse()
    main = page.get_by_role("main")
    sign_in(page, willem.email)

    with step("after your client has accepted an authorisation request"):
        ask(page, "Bakery", "sanne@bakery.example", "71234561")
        create_account(client, link_in(newest_mail("sanne@bakery.example")), "Bakery")
        consent = client.get_by_role("main")
        expect(consent).to_contain_text("Office North")
        consent.get_by_role("button", name="Add organisation").click()
        client.get_by_role("button", name="Accept").click()

    with step("After the client has accepted an authorisation request, the partnership is active"):
        expect(consent).to_contain_text("Office North")
        expect(consent).to_contain_text("Active")
        assert "has accepted" in Mail.objects.filter(to=willem.email).latest("pk").subject

    with step("go to Partners. Select the partnership with your client."):
        page.goto("/")
        page.get_by_role("link", name="Partners").click()
        page.get_by_role("link", name="Bakery").click()

    with step("Navigate to the client's organisation"):
        expect(main).to_contain_text("Bakery")

    with step("Go to Connections or Connect software and select the client's software package."):
        main.get_by_role("link", name="Connections").first.click()
        page.get_by_role("link", name="Create new connection").first.click()
        page.get_by_role("link", name="Yuki").click()

    with step("Generate the connection keys (App Key and Secret)."):
        create_keys(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Your keys for Yuki are ready")

    with step("Copy the Secret immediately: it is only shown once."):
        app_key, secret = copied_keys(page)
        page.get_by_role("link", name="I have stored the Secret").click()
        assert secret not in page.content()

    with step("Save and test the connection."):
        bakery = Organisation.objects.get(registration_number="71234561")
        yuki = Package(portal, app_key, secret, bakery.organisation_id)
        assert yuki.test()[0] == 200
        address = bakery.addresses.get().value
        status, sent = yuki.send(invoice(number="B-1", supplier=address, customer=MILL, company=""))
        assert (status, sent["status"]) == (201, "delivered")

    with step("Each client organisation has its own set of connection keys."):
        other, pair = connect()
        assert pair.app_key != app_key
        assert yuki.test()[1]["organisations"][0]["id"] == bakery.organisation_id

    with step("In that case create a new set of connection keys for the relevant organisation."):
        page.get_by_role("link", name="Create new keys").click()
        create_keys(page)
        new = Package(portal, *copied_keys(page), bakery.organisation_id)

    with step("The old keys are automatically invalidated"):
        assert (yuki.test()[0], new.test()[0]) == (401, 200)

    with step("Both sides see the other's actions"):
        client.goto("/activity/")
        expect(client.get_by_role("main")).to_contain_text("New keys created")

    with step("The partnership ends: access and keys with it, the client stays"):
        client.goto("/partners/")
        client.get_by_role("link", name="Office North").click()
        client.get_by_role("link", name="End partnership").click()
        client.get_by_role("button", name="End partnership").click()
        expect(consent).to_contain_text("Ended")
        assert new.test()[0] == 401
        assert page.goto(f"/organisations/{bakery.organisation_id}/connections/").status == 404


def test_no_access_says_which_condition_is_missing(browse, office):
    AppFactory(name="Yuki")
    willem, aisha = office
    sanne = MembershipFactory(
        user__administrator=True,
        user__with_login=True,
        user__email="sanne@bakery.example",
        organisation__name="Bakery",
        organisation__registration_number="71234561",
    ).user
    page, client = browse(), browse(sanne)
    main = page.get_by_role("main")
    sign_in(page, willem.email)
    ask(page, "Bakery", sanne.email, "71234561")
    mandate = Mandate.objects.get()

    def missing():
        return main.get_by_role("listitem").filter(has_text="Missing")

    with step('Has the authorisation request been accepted? (status must be "Active")'):
        page.goto(mandate.get_absolute_url())
        expect(main).to_contain_text("No access to the connection keys?")
        expect(missing()).to_contain_text(["The authorisation request is Pending"])
        client.goto(link_in(newest_mail(sanne.email)))
        client.get_by_role("button", name="Accept").click()
        expect(client.get_by_role("main")).to_contain_text("Active")
        page.reload()
        expect(missing()).to_have_count(0)

    with step("Are you a member of the client organisation in the partnership?"):
        colleague = browse(aisha)
        bakery = f"/organisations/{sanne.memberships.get().organisation.organisation_id}"
        assert colleague.goto(f"{bakery}/connections/").status == 403
        lines = colleague.get_by_role("main").get_by_role("listitem")
        expect(lines.filter(has_text="Missing")).to_contain_text(["You are not a member of Bakery"])

    with step("Do you have the right role? (advanced user or administrator)"):
        Membership.objects.create(
            user=aisha, organisation=mandate.requests.get().client.organisations.get()
        )
        change_role(user=User.objects.get(pk=aisha.pk), role="basic", by=willem)
        sign_in(colleague, aisha.email)
        assert colleague.goto(f"{bakery}/connections/").status == 403
        expect(lines.filter(has_text="Missing")).to_contain_text(["Your role is Basic user"])
