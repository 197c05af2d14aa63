"""Quick Connect in a real browser (R37): one text on the clipboard, the package's window, nothing sent."""

import random
import re
import string

import pytest
from playwright.sync_api import expect

from connections import keys
from connections.books import paste
from tests.browsing import create_keys, pasted, session_of
from tests.conftest import CHROMIUM, FLAGS
from tests.factories import AppFactory, MembershipFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADDRESS = "books@bakery.example"


@pytest.fixture
def user():
    return MembershipFactory(user__advanced=True).user


@pytest.fixture
def yuki(portal):
    return AppFactory(name="Yuki", quick_connect=True, connect_url=f"{portal}/books/connect/")


def keys_page(page, user, app):
    """Create keys for `app`; answer the beginning and the end of the text that belongs on the clipboard."""
    organisation = user.memberships.get().organisation.organisation_id
    page.goto(f"/organisations/{organisation}/connections/new/{app.pk}/")
    create_keys(page)
    app_key = page.get_by_label("App Key", exact=True).input_value()
    secret = page.get_by_label("Secret", exact=True).input_value()
    return f"APP_KEY:{app_key};SECRET_KEY:{secret};EMAIL_ID:", f";COMPANY_ID:{organisation};"


def button(page):
    return page.get_by_role("button", name="Quick Connect", exact=True)


def email(page):
    return page.get_by_label("Email of the administration in Yuki")


def clear_clipboard(page):
    window = page.context.new_page()
    window.set_content("<textarea>nothing yet</textarea>")
    window.locator("textarea").press("Control+A")
    window.locator("textarea").press("Control+C")
    window.close()


def refuse_the_clipboard(page, portal):
    browser = page.context.new_cdp_session(page)
    target = browser.send("Target.getTargetInfo")["targetInfo"]
    for name in ("clipboard-write", "clipboard-read"):
        browser.send(
            "Browser.setPermission",
            {
                "permission": {"name": name},
                "setting": "denied",
                "origin": portal,
                "browserContextId": target["browserContextId"],
            },
        )


@pytest.mark.parametrize("supports", [True, False])
def test_only_for_packages_that_support_it(browse, user, supports):
    page = browse(user)
    keys_page(page, user, AppFactory(name="Yuki", quick_connect=supports))

    expect(button(page)).to_have_count(int(supports))


def test_the_text_is_on_the_clipboard_and_the_window_of_the_package_is_open(browse, user, yuki):
    page = browse(user)
    before, after = keys_page(page, user, yuki)
    expect(email(page)).to_have_value("")  # never filled in with the login
    email(page).fill(f"  {ADDRESS} ")

    with page.context.expect_page() as opened:
        button(page).click()

    expect(opened.value).to_have_url(yuki.connect_url)
    assert opened.value.evaluate("opener") is None
    assert pasted(page) == before + ADDRESS + after
    expect(page.locator("#toasts")).to_contain_text("Copied. Paste it with CTRL+V in the window of")
    expect(page.get_by_label("Secret", exact=True)).not_to_have_value("")


def test_without_an_address_of_the_package_nothing_is_opened(browse, user):
    page = browse(user)
    before, after = keys_page(page, user, AppFactory(name="Yuki", quick_connect=True))
    email(page).fill(ADDRESS)

    button(page).click()

    expect(page.locator("#toasts")).to_contain_text("Copied. Open Yuki and paste it with CTRL+V.")
    assert pasted(page) == before + ADDRESS + after
    assert len(page.context.pages) == 1


def test_enter_in_the_field_is_a_click_and_loses_nothing(browse, user, yuki):
    page = browse(user)
    before, after = keys_page(page, user, yuki)
    email(page).fill(ADDRESS)

    with page.context.expect_page():
        email(page).press("Enter")

    assert pasted(page) == before + ADDRESS + after
    expect(page.get_by_role("heading", level=1)).to_have_text("Your keys for Yuki are ready")


def test_nothing_is_sent_to_the_server(browse, user, yuki, portal):
    page = browse(user)
    keys_page(page, user, yuki)
    sent = []
    page.context.on("request", lambda request: sent.append((request.url, request.post_data)))
    email(page).fill(ADDRESS)
    with page.context.expect_page() as opened:
        button(page).click()
    opened.value.wait_for_load_state("networkidle")
    page.wait_for_load_state("networkidle")

    visited = [url for url, _data in sent if "/static/" not in url]
    assert visited == [yuki.connect_url]
    assert [data for _url, data in sent if data] == []
    storage = page.evaluate(
        "JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie"
    )
    assert not re.search(r"kps_|books@", storage + "".join(url for url, _data in sent))


NO_ADDRESS = [
    "",
    "nobody",
    "a@",
    "a@b.example;SECRET_KEY:kps_x",
    "a;b@c.example",
    "a:b@c.example",
    '"a"@c.example',
    "a'b@c.example",
    "a b@c.example",
    "a@b.example, c@d.example",
    "<b>@c.example",
    "a@b@c.example",
    f"{'x' * 65}@c.example",
]


def test_what_is_no_address_is_refused_before_anything_is_copied(browse, user, yuki):
    page = browse(user)
    keys_page(page, user, yuki)
    clear_clipboard(page)
    for typed in NO_ADDRESS:
        email(page).fill(typed)
        button(page).click()
        assert email(page).evaluate("field => field.validationMessage"), typed

    assert pasted(page) == "nothing yet"
    assert len(page.context.pages) == 1


def test_the_address_of_the_login_gets_a_warning_and_may_be_used(browse, user, yuki):
    page = browse(user)
    before, after = keys_page(page, user, yuki)
    warning = page.get_by_text("This is the address you sign in with here.")

    email(page).fill(user.email.upper() + " ")
    expect(warning).to_be_visible()
    email(page).fill(ADDRESS)
    expect(warning).to_have_count(0)
    email(page).fill(user.email)
    button(page).click()

    expect(page.locator("#toasts")).to_contain_text("Copied.")
    assert pasted(page) == before + user.email + after


def test_an_address_is_never_read_as_a_place_to_fill(browse, user):
    page = browse(user)
    before, after = keys_page(page, user, AppFactory(name="Yuki", quick_connect=True))
    for typed in ("{secret}@x.nl", "{app-key}{secret}@x.nl", "$&$1$`@x.nl"):
        email(page).fill(typed)
        button(page).click()

        assert pasted(page) == before + typed + after


def test_when_the_browser_refuses_its_clipboard_the_selection_is_copied(browse, user, yuki, portal):
    page = browse(user)
    refuse_the_clipboard(page, portal)
    before, after = keys_page(page, user, yuki)
    with pytest.raises(Exception, match="NotAllowedError"):
        page.evaluate("navigator.clipboard.writeText('x')")
    email(page).fill(ADDRESS)

    with page.context.expect_page():
        button(page).click()

    expect(page.locator("#toasts")).to_contain_text("Copied.")
    assert pasted(page) == before + ADDRESS + after


def test_when_nothing_can_be_copied_it_says_so_and_opens_nothing(browse, user, yuki):
    page = browse(user)
    page.add_init_script(
        "document.execCommand = () => false;"
        "navigator.clipboard.writeText = async () => { throw new Error('refused'); };"
    )
    keys_page(page, user, yuki)
    email(page).fill(ADDRESS)

    button(page).click()

    expect(page.locator("#toasts .warning")).to_be_visible()
    expect(page.locator("#toasts")).not_to_contain_text("Copied")
    assert len(page.context.pages) == 1


def test_on_plain_http_the_loop_is_the_same(browser_type, live_server, settings, user):
    """Under a name that is no safe place the browser has no clipboard object; CTRL+V brings it all."""
    settings.ALLOWED_HOSTS = ["koppel.test"]
    url = live_server.url.replace("localhost", "koppel.test")
    app = AppFactory(name="Yuki", quick_connect=True, connect_url=f"{url}/books/connect/")
    flags = [flag for flag in FLAGS if "resolver" not in flag]
    flags += ["--host-resolver-rules=MAP koppel.test 127.0.0.1, EXCLUDE localhost"]
    with browser_type.launch(executable_path=CHROMIUM, args=flags) as browser:
        context = browser.new_context(base_url=url)
        context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": url}])
        page = context.new_page()
        before, after = keys_page(page, user, app)
        assert page.evaluate("navigator.clipboard") is None
        email(page).fill(ADDRESS)
        with context.expect_page() as opened:
            button(page).click()
        books = opened.value
        books.wait_for_load_state()  # its script reads what is pasted
        books.get_by_label("Paste the text").press("Control+V")

        expect(books.get_by_text("recognised")).to_be_visible()
        expect(books.get_by_text(ADDRESS, exact=True)).to_be_visible()
        assert pasted(page) == before + ADDRESS + after


def test_without_javascript_both_keys_can_still_be_selected(browse, user, yuki):
    page = browse(user, java_script_enabled=False)
    keys_page(page, user, yuki)

    expect(page.get_by_label("Secret", exact=True)).to_have_value(re.compile("^kps_"))
    expect(button(page)).to_be_hidden()
    expect(email(page)).to_be_hidden()


def test_when_the_secret_is_hidden_quick_connect_ends_too(browse, user, yuki):
    page = browse(user)
    keys_page(page, user, yuki)

    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")

    expect(button(page)).to_be_disabled()


LOCAL = string.ascii_letters + string.digits + "!#$%&*+-/=?^_`{|}~."
COMPOSE = """(cases) => {
  const button = document.querySelector("[data-quick-connect]");
  const field = document.getElementById("quick-email");
  return cases.map(([appKey, secret, address]) => {
    document.getElementById("app-key").value = appKey;
    document.getElementById("secret").value = secret;
    field.value = address;
    let text = "";
    document.execCommand = () => { text = document.querySelector("textarea.vh").value; return true; };
    button.dataset.opens = "";
    button.click();
    return [field.checkValidity(), field.value, text];
  });
}"""


def some_address(dice):
    """An address as people and machines have them: odd local parts, hosts without a dot, long ones."""
    local = "".join(dice.choice(LOCAL) for _ in range(dice.choice([1, 5, 12, 64])))
    host = dice.choice(["x.nl", "mail.bakery.example", "localhost", "a-b.co.uk", "1.example"])
    return f"{local}@{host}" if dice.random() < 0.9 else f"{{secret}}{local[:40]}@{host}"


def test_whatever_is_composed_is_read_by_the_package(browse, user, yuki):
    page, dice = browse(user), random.Random(41)  # noqa: S311
    keys_page(page, user, yuki)
    pairs = [keys.make_pair() for _ in range(500)]
    cases = [[pair.app_key, pair.secret.reveal(), some_address(dice)] for pair in pairs]

    composed = page.evaluate(COMPOSE, cases)

    organisation = user.memberships.get().organisation.organisation_id
    copied = 0
    for (app_key, secret, _typed), (valid, address, text) in zip(cases, composed, strict=True):
        assert bool(text) == valid
        if valid:
            assert paste.read(text) == paste.Pasted(app_key, secret, address, organisation)
            copied += 1
    assert copied > 400
