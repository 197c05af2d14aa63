"""Signing up and in, with every means there is, and out again."""

import base64
import hashlib
import hmac
import re
import struct
import time

import pytest
from playwright.sync_api import expect

from accounts.mail.models import Mail
from tests.browsing import sign_in
from tests.factories import PASSWORD, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def user():
    return UserFactory(with_login=True, email="sanne@example.org", first_name="Sanne")


def overview(page):
    return page.get_by_role("heading", name="Overview", exact=True)


def code_of(secret, ahead=0):
    """What an authenticator app shows for this secret, now or so many codes ahead (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // 30 + ahead)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{struct.unpack('>I', digest[start : start + 4])[0] % 2**31 % 10**6:06}"


def confirm_password(page):
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def test_signing_up_with_the_code_of_the_mail(browse):
    page = browse()
    page.goto("/accounts/signup/")
    page.get_by_label("Company").fill("Bakery Jansen")
    page.get_by_label("First name").fill("Piet")
    page.get_by_label("Last name").fill("Jansen")
    page.get_by_label("Email").fill("piet@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    expect(page.get_by_label("Code")).to_be_visible()
    mail = Mail.objects.get(to="piet@example.org")

    page.get_by_label("Code").fill(re.search(r"^[A-Z0-9]+-[A-Z0-9]+$", mail.body, re.M)[0])
    page.get_by_role("button", name="Confirm").click()

    expect(overview(page)).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("Hello Piet.")


def test_a_wrong_password_says_so_and_keeps_the_address(browse, user):
    page = browse()

    sign_in(page, user.email, "not my password at all")

    expect(page.get_by_role("main")).to_contain_text(
        "The email address and/or password you specified are not correct."
    )
    expect(page.get_by_label("Email")).to_have_value(user.email)


def test_a_passkey_is_added_and_opens_the_portal_alone(browse, user):
    page = browse()
    sign_in(page, user.email)
    expect(overview(page)).to_be_visible()
    browser = page.context.new_cdp_session(page)
    browser.send("WebAuthn.enable")
    browser.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.goto("/accounts/2fa/webauthn/add/")
    confirm_password(page)
    page.get_by_label("Name").fill("Laptop")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("main")).to_contain_text("Recovery Codes")
    page.context.clear_cookies()

    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(overview(page)).to_be_visible()


def test_a_code_of_the_authenticator_app_is_asked_at_the_next_sign_in(browse, user):
    page = browse(user)
    page.goto("/accounts/2fa/totp/activate/")
    secret = page.get_by_label("Authenticator secret").input_value()
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("main")).to_contain_text("Recovery Codes")
    page.context.clear_cookies()

    sign_in(page, user.email)
    expect(overview(page)).to_have_count(0)
    page.get_by_label("Code").fill(code_of(secret, ahead=1))  # a code opens once
    page.get_by_role("button", name="Sign In", exact=True).click()

    expect(overview(page)).to_be_visible()


def test_other_sessions_are_listed_and_ended(browse, user):
    here, elsewhere = browse(), browse(user_agent="A phone left in the train")
    for page in (elsewhere, here):
        sign_in(page, user.email)
        expect(overview(page)).to_be_visible()
    here.goto("/accounts/sessions/")
    expect(here.get_by_role("cell", name="A phone left in the train")).to_be_visible()

    here.get_by_role("button", name="Sign Out Other Sessions").click()

    expect(here.get_by_role("cell", name="A phone left in the train")).to_have_count(0)
    elsewhere.goto("/")
    expect(elsewhere).to_have_url(re.compile("/accounts/login/"))
    here.goto("/")
    expect(overview(here)).to_be_visible()
