"""Connecting without a mouse, without JavaScript, without https; and a Secret that is shown just once."""

import re

import pytest
from playwright.sync_api import Error, expect

from connections.models import KeySet
from tests.browsing import create_keys, pasted, session_of
from tests.conftest import CHROMIUM, FLAGS
from tests.factories import PASSWORD, AppFactory, MembershipFactory, UserFactory, connect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FOCUSED = """() => {
  const here = document.activeElement, drawn = getComputedStyle(here);
  return {
    name: (here.labels?.[0]?.textContent || here.ariaLabel || here.textContent || "").trim(),
    visible: here.matches(":focus-visible") && (drawn.outlineStyle !== "none" || drawn.boxShadow !== "none"),
    lost: here === document.body,
  };
}"""


@pytest.fixture
def user():
    return MembershipFactory(user__advanced=True, user__with_login=True).user


@pytest.fixture
def yuki():
    AppFactory(name="Twinfield")
    return AppFactory(name="Yuki")


def tab_to(page, name):
    """Press Tab until `name` has the focus; on the way everything that has it must show it."""
    passed = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["visible"] or focused["lost"], f"The focus on {focused['name']} is not seen."
        if not focused["lost"] and re.search(f"^\\s*{re.escape(name)}", focused["name"], re.M):
            return
        passed.append(focused["name"])
    raise AssertionError(f"{name} is not among {passed}")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def create_page(page, user, app):
    organisation = user.memberships.get().organisation
    page.goto(f"/organisations/{organisation.organisation_id}/connections/new/{app.pk}/")


def secret_on(page):
    return page.get_by_label("Secret", exact=True).input_value()


def test_from_the_sign_in_to_the_copied_secret_with_the_keyboard_alone(browse, user, yuki):
    page = browse()
    page.goto("/accounts/login/")
    tab_to(page, "Email")
    page.keyboard.type(user.email)
    tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    press(page, "Tab", "Enter")
    assert page.evaluate("document.activeElement.id") == "main"  # "Skip to content"
    tab_to(page, "Create new connection")
    press(page, "Enter")
    expect(page.get_by_role("link", name="Twinfield")).to_be_visible()
    tab_to(page, "Search a package")
    page.keyboard.type("yu")
    expect(page.get_by_role("link", name="Twinfield")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "id_q"
    tab_to(page, "Yuki")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Connect Yuki")).to_be_visible()
    tab_to(page, "All accesses")
    press(page, "ArrowDown", "ArrowDown")
    expect(page.get_by_role("checkbox", name="Send invoices")).to_be_visible()
    press(page, "ArrowUp", "ArrowUp")
    tab_to(page, "Create keys")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Your keys for Yuki are ready")).to_be_visible()
    tab_to(page, "Copy Secret")
    press(page, "Space")

    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    assert page.evaluate(FOCUSED)["name"] == "Copy Secret"
    assert pasted(page) == secret_on(page)
    tab_to(page, "I have stored the Secret")
    press(page, "Enter")
    expect(page.get_by_role("main")).to_contain_text("Made, never used.")


def test_the_focus_is_not_lost_when_a_part_is_swapped(browse, user):
    user.role = "administrator"
    user.save()
    UserFactory.create_batch(60, environment=user.environment)
    connect(user)
    page = browse(user)

    page.goto("/connections/")
    page.get_by_label("Status").focus()
    press(page, "ArrowDown")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "id_status"

    page.goto("/users/")
    before = page.get_by_role("row").count()
    page.get_by_role("link", name="Show more").focus()
    press(page, "Enter")
    expect(page.get_by_role("row")).not_to_have_count(before)
    first_new = page.get_by_role("row").nth(before).get_by_role("link").first
    expect(first_new).to_be_focused()


def test_the_switcher_searches_beyond_what_it_lists(browse, user):
    for number in range(102):
        MembershipFactory(
            user=user,
            organisation__environment=user.environment,
            organisation__name=f"Bakery A{number:03}",
        )
    page = browse(user)
    page.goto("/connections/")
    page.wait_for_load_state()
    assert page.evaluate("document.activeElement === document.body")

    page.locator("[popovertarget=frame-organisations]").click()
    press(page, *"bakery a101", "Enter")

    expect(page).to_have_url(re.compile(r"/environment/\?q=bakery\+a101$"))
    expect(page.get_by_role("main").get_by_role("link", name="Bakery A101")).to_be_visible()


def test_a_secret_pasted_into_a_search_goes_nowhere(browse, user):
    _connection, pair = connect(user)
    page = browse(user)
    page.goto("/connections/")
    page.wait_for_load_state()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    search = page.get_by_role("searchbox")

    search.fill(f" {pair.secret.reveal()}")
    search.press("Enter")

    expect(page.get_by_text("That is a Secret")).to_be_visible()
    expect(search).to_have_value("")
    page.wait_for_timeout(500)
    assert "kps_" not in page.url + " ".join(asked)


def test_leaving_the_search_does_not_search_again(browse, user):
    for name in ("Bookkeeping", "Books"):
        connect(user, name=name)
    page = browse(user)
    page.goto("/connections/")
    page.wait_for_load_state()
    with page.expect_response("**/connections/?q=books*"):
        page.get_by_role("searchbox").press_sequentially("books")
    expect(page.get_by_role("row")).to_have_count(2)
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    page.get_by_role("button", name="Actions for Books").click()
    page.wait_for_timeout(500)

    expect(page.get_by_role("link", name="Show details")).to_be_visible()
    assert asked == []


def test_the_three_dots_open_and_close_with_the_keyboard(browse, user):
    connect(user, name="Bookkeeping")
    page = browse(user)
    page.goto("/connections/")
    dots = page.get_by_role("button", name="Actions for Bookkeeping")

    dots.focus()
    press(page, "Enter")
    expect(page.get_by_role("link", name="Show details")).to_be_focused()
    press(page, "ArrowDown")
    expect(page.get_by_role("link", name="Test connection")).to_be_focused()
    press(page, "Escape")
    expect(dots).to_be_focused()
    expect(page.get_by_role("link", name="Test connection")).to_be_hidden()

    press(page, "Enter")
    expect(page.get_by_role("link", name="Show details")).to_be_focused()
    press(page, "End", "Enter")
    expect(page.get_by_role("heading", name="Revoke Bookkeeping?")).to_be_visible()


def test_copying_on_plain_http(browser_type, live_server, settings, user, yuki):
    """Under a name that is no safe place the browser has no clipboard object; the selection is copied."""
    settings.ALLOWED_HOSTS = ["portal.example"]
    url = live_server.url.replace("localhost", "portal.example")
    flags = [flag for flag in FLAGS if "resolver" not in flag]
    flags += ["--host-resolver-rules=MAP portal.example 127.0.0.1, EXCLUDE localhost"]
    with browser_type.launch(executable_path=CHROMIUM, args=flags) as browser:
        context = browser.new_context(base_url=url)
        context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": url}])
        page = context.new_page()
        create_page(page, user, yuki)
        create_keys(page)
        assert page.evaluate("navigator.clipboard") is None

        copied = {}
        for name in ("Copy App Key", "Copy Secret", "Copy both"):
            page.get_by_role("button", name=name).click()
            copied[name] = pasted(page)

        app_key = page.get_by_label("App Key", exact=True).input_value()
        assert copied == {
            "Copy App Key": app_key,
            "Copy Secret": secret_on(page),
            "Copy both": f"App Key: {app_key}\nSecret: {secret_on(page)}",
        }


def test_without_javascript_the_wizard_works_to_the_end(browse, user, yuki):
    page = browse(user, java_script_enabled=False)
    page.goto("/connections/")
    page.get_by_role("link", name="Create new connection").click()
    page.get_by_label("Search a package").fill("yuki")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Yuki").click()
    page.get_by_text("Decide for yourself").click()
    page.get_by_role("checkbox", name="Send invoices").check()
    page.get_by_role("button", name="Create keys").click()

    assert secret_on(page).startswith("kps_")
    page.get_by_role("link", name="I have stored the Secret").click()
    expect(page.get_by_role("main")).to_contain_text("Made, never used.")


def test_a_double_click_makes_one_set_and_shows_it(browse, user, yuki):
    page = browse(user)
    create_page(page, user, yuki)

    page.get_by_role("button", name="Create keys").dblclick()

    assert secret_on(page).startswith("kps_")
    assert KeySet.objects.count() == 1


def test_the_way_back_does_not_show_the_secret(browse, user, yuki):
    page = browse(user)
    create_page(page, user, yuki)
    page.get_by_role("button", name="Create keys").click()
    page.get_by_role("link", name="I have stored the Secret").click()
    expect(page.get_by_role("main")).to_contain_text("Made, never used.")

    with pytest.raises(Error, match="ERR_CACHE_MISS"):  # the browser has kept nothing
        page.go_back()

    assert KeySet.objects.count() == 1


def test_a_reload_says_that_the_keys_exist(browse, user, yuki):
    page = browse(user)
    create_page(page, user, yuki)
    page.get_by_role("button", name="Create keys").click()
    secret = secret_on(page)

    page.reload()

    expect(page.get_by_role("heading", level=1)).to_have_text("These keys were created already")
    assert secret not in page.content()
    assert KeySet.objects.count() == 1
