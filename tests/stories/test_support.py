"""A call to support: "our Yuki stopped yesterday", with nothing but the name of the company."""

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from playwright.sync_api import expect

from accounts import services
from accounts.roles import Role
from tests.browser.test_signing_in import code_of
from tests.browsing import sign_in, troubles_of
from tests.factories import (
    AppFactory,
    MembershipFactory,
    UserFactory,
    connect,
    organisation_at,
)
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TOTP_SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def mieke(portal):
    """A member of support, in the group of that name."""
    staff = UserFactory(
        staff=True,
        is_superuser=False,
        with_login=True,
        email="mieke@koppel.example",
        first_name="Mieke",
        last_name="Vos",
    )
    staff.groups.set(staff.groups.model.objects.filter(name="support"))
    TOTP.activate(staff, TOTP_SECRET)
    return staff


@pytest.fixture
def bakery(portal):
    """A company whose administrator lowered the role of the person on whom the keys live."""
    bakery = organisation_at(
        "0088:7300010000001", name="Bakery Jansen B.V.", environment__name="Bakery Jansen"
    )
    sanne = MembershipFactory(
        organisation=bakery, user__administrator=True, user__first_name="Sanne"
    ).user
    joris = MembershipFactory(
        organisation=bakery, user__advanced=True, user__first_name="Joris"
    ).user
    connection, pair = connect(joris, app=AppFactory(name="Yuki"))
    yuki = Package(portal, pair.app_key, pair.secret.reveal(), bakery.organisation_id)
    assert yuki.test()[0] == 200
    services.change_role(user=joris, role=Role.BASIC, by=sanne)
    assert yuki.test()[1]["code"] == "ERRIAU3000001"
    return connection, sanne, joris, yuki


def test_from_our_yuki_stopped_yesterday_to_the_mend_in_under_ten_clicks(browse, mieke, bakery):
    connection, sanne, joris, yuki = bakery
    page, clicks = browse(), []
    main = page.get_by_role("main")
    troubles = troubles_of(page)

    def click(what):
        clicks.append(what)
        what.click()

    with step("Support signs in with two factors."):
        sign_in(page, mieke.email)
        clicks.append("Sign In")
        page.get_by_label("Code").fill(code_of(TOTP_SECRET))
        click(page.get_by_role("button", name="Sign In", exact=True))
        expect(main).to_contain_text("This login is for support.")
        click(page.get_by_role("link", name="Go to the support desk"))

    with step("Somebody calls: our Yuki stopped yesterday. All that is known is the company."):
        page.get_by_role("searchbox", name="Search").fill("bakery jansen")
        click(page.get_by_role("button", name="Search"))
        click(main.get_by_role("link", name="Bakery Jansen", exact=True).first)

    with step("The page of the environment says the cause, and who did it."):
        row = main.get_by_role("row", name=re.compile("Yuki"))
        expect(row).to_contain_text("Suspended")
        expect(row).to_contain_text("has the role Basic user now, which may not manage connections")
        expect(main).to_contain_text("Role changed")
        click(row.get_by_role("link"))

    with step("The page of the connection has the sentence to say, and who can do it."):
        expect(main).to_contain_text("An administrator gives the role and the membership back")
        expect(main).to_contain_text(sanne.email)
        assert len(clicks) < 10, clicks

    with step("The administrator gives the role back, and Yuki works again with the same keys."):
        services.change_role(user=joris, role=Role.ADVANCED, by=sanne)
        assert yuki.test()[0] == 200
        page.reload()
        expect(main).to_contain_text("The software has called with success.")

    with step("The administrator reads who looked."):
        office = browse(sanne)
        office.goto("/activity/")
        log = office.get_by_role("main")
        expect(log).to_contain_text("Mieke Vos")
        expect(log).to_contain_text("Support looked at")
        expect(log).to_contain_text("Bookkeeping (Yuki)")
    assert troubles == []


def test_support_gives_a_plan_and_the_administrator_reads_both(browse, mieke, bakery):
    connection, sanne, _joris, _yuki = bakery
    staff = browse(mieke)
    staff.goto(f"/admin/environment/{connection.organisation.environment_id}/")

    staff.get_by_role("link", name="Change plan or right").click()
    staff.get_by_label("Plan").select_option("enterprise")
    staff.get_by_role("button", name="Save", exact=True).click()
    expect(staff.get_by_text("was changed successfully")).to_be_visible()

    office = browse(sanne)
    office.goto("/activity/")
    expect(office.get_by_role("main")).to_contain_text("plan: Basic → Enterprise")
