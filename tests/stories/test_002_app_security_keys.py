"""App security keys: who may generate them, for a Generic App and for an Own App, and what they open.

Generating keys as an accountant comes later; its sentences are played then.
"""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browsing import create_keys, pasted, sign_in
from tests.factories import AppFactory, MembershipFactory
from tests.stories.package import Package
from tests.stories.steps import step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def first_user():
    return MembershipFactory(
        user__administrator=True, user__with_login=True, user__first_name="Sanne"
    ).user


@pytest.fixture
def colleague(first_user):
    organisation = first_user.memberships.get().organisation
    return MembershipFactory(
        organisation=organisation, user__with_login=True, user__first_name="Joris"
    ).user


def logo():
    content = io.BytesIO()
    Image.new("RGB", (90, 90), "orange").save(content, "PNG")
    return {"name": "logo.png", "mimeType": "image/png", "buffer": content.getvalue()}


def keys_of(page):
    create_keys(page)
    page.get_by_role("button", name="Copy both").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).not_to_have_count(0)
    return [line.partition(": ")[2] for line in pasted(page).splitlines()]


def test_a_colleague_becomes_advanced_user_and_connects_both_kinds_of_app(
    browse, portal, first_user, colleague
):
    AppFactory(name="Yuki", functions=["SendDocument"], quick_connect=True)
    office, page = browse(), browse()
    main = page.get_by_role("main")
    sign_in(office, first_user.email)
    sign_in(page, colleague.email)

    with step("To generate the keys as user go to Connections."):
        page.get_by_role("link", name="Connections").first.click()

    with step("To be able to use this function you must be advanced user."):
        heading = page.get_by_role("heading", name="No access to the connection keys?")
        expect(heading).to_be_visible()
        expect(main).to_contain_text(f"An administrator can change your role: {first_user}")

    with step(
        "The first user that created the account is advanced user and can make the new users advanced user."
    ):
        office.get_by_role("link", name="Users").click()
        office.get_by_role("link", name=str(colleague)).click()
        office.get_by_label("Advanced user").check()
        office.get_by_role("button", name="Change role").click()
        expect(office.get_by_role("status")).to_contain_text("The role is changed and")

    with step(
        "After changing the role of the user this needs to login again to see the added functionality."
    ):
        page.reload()
        expect(page.get_by_role("heading", name="Sign In")).to_be_visible()
        sign_in(page, colleague.email)
        page.get_by_role("link", name="Connections").first.click()
        expect(main).to_contain_text("No connections yet")

    with step("Select one of the published applications with New Generic App."):
        page.get_by_role("link", name="New Generic App").click()
        expect(page.get_by_role("heading", name="Own Apps")).to_have_count(0)
        page.get_by_role("link", name="Yuki").click()

    with step("With the Generic App the App name is already filled in."):
        expect(page.get_by_label("Name of the key")).to_have_value("Yuki")
        yuki = Package(portal, *keys_of(page), organisation=organisation_id(page))
        assert yuki.test()[1]["app"] == "Yuki"

    with step(
        "It is also possible to automate the copy and paste process with the quick-connect button."
    ):
        page.get_by_label("Email of the administration in Yuki").fill("books@bakery.example")
        page.get_by_role("button", name="Quick Connect", exact=True).click()
        expect(page.get_by_role("status").filter(has_text="Open Yuki")).not_to_have_count(0)
        assert pasted(page) == (
            f"APP_KEY:{yuki.app_key};SECRET_KEY:{yuki.secret};"
            f"EMAIL_ID:books@bakery.example;COMPANY_ID:{yuki.organisation};"
        )

    with step(
        "In case of a private application connection or the development of a new software connection use"
        " New Own App."
    ):
        page.get_by_role("link", name="Connections").first.click()
        page.get_by_role("link", name="New Own App").click()
        page.get_by_role("link", name="New Own App").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("New Own App")

    with step(
        "With the Own App you can select the app name and the additional rights your App needs"
    ):
        page.get_by_label("Name").fill("Webshop")
        page.get_by_role("checkbox", name="Send invoices").check()

    with step("In the Own App you can also add your own logo."):
        page.get_by_label("Logo").set_input_files(logo())
        page.get_by_role("button", name="Continue").click()
        webshop = Package(portal, *keys_of(page), organisation=yuki.organisation)
        picture = main.locator("img.logo")
        expect(picture).to_have_js_property("complete", True)
        expect(picture).not_to_have_js_property("naturalWidth", 0)

    with step(
        "The authentication of the API connection is based on the two security keys provided via the platform"
    ):
        assert webshop.test()[0] == 200
        assert Package(portal, webshop.app_key, yuki.secret, webshop.organisation).test()[0] == 401

    with step("Permissions can be set per API function."):
        page.get_by_role("link", name="I have stored the Secret").click()
        page.get_by_role("link", name="Webshop").last.click()
        expect(main).to_contain_text("API Permissions")

    with step("The scope is connected to the API function."):
        row = main.get_by_role("row").filter(has_text="Send invoices")
        expect(row.get_by_role("cell").last).to_have_text("SEND_DOC")

    with step(
        "If the permission is not set for the specific API function you will get the following error:"
        " SecurityToken scope in request is not available for this key [ERRCDO4000011]"
    ):
        status, problem = webshop.list_received()
        assert (status, problem["code"]) == (403, "ERRCDO4000011")
        assert problem["message"] == "SecurityToken scope in request is not available for this key"
        assert problem["scope"] == "RETRIEVE_INBOX_DOCS"

    with step("The permissions can be set with Edit Details."):
        page.get_by_role("link", name="Edit details").click()
        page.get_by_role("checkbox", name="List received invoices").check()
        page.get_by_role("button", name="Save").click()
        expect(row.or_(main).get_by_text("RETRIEVE_INBOX_DOCS")).to_be_visible()
        assert webshop.list_received() == (200, {"items": [], "next": None})

    with step(
        "A Generic App has predefined permissions. The permissions of a Own App can be changed."
    ):
        page.get_by_role("link", name="Connections").first.click()
        page.get_by_role("link", name="Yuki").first.click()
        page.get_by_role("link", name="Yuki").last.click()
        expect(main).to_contain_text("the permissions of a Generic App cannot be changed")
        expect(page.get_by_role("link", name="Edit details")).to_have_count(0)
        assert page.goto(page.url + "edit/").status == 403
        assert yuki.list_received()[0] == 403


def organisation_id(page):
    return page.get_by_label("Organisation ID").input_value()
