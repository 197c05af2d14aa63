"""The bell, with a mouse, a keyboard, and without JavaScript (R54)."""

import pytest
from django.urls import reverse

from accounts.mail.models import Notice
from tests.browsing import troubles_of
from tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BELL = "[popovertarget=frame-notices]"


@pytest.fixture
def reader():
    user = UserFactory()
    for number in range(3):
        Notice.objects.create(user=user, template="x", title=f"Title {number}", text="Text.")
    return user


def test_the_bell_opens_the_newest_and_the_keyboard_goes_on_there(browse, reader):
    page = browse(reader)
    troubles = troubles_of(page)
    page.goto("/profile/")

    page.locator(BELL).focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Title 2").wait_for()
    page.wait_for_function("document.activeElement.textContent.includes('Title 2')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/notices/*/")

    assert page.get_by_role("heading", name="Title 1").is_visible()
    assert page.locator(f"{BELL} .count").inner_text() == "2"
    assert troubles == []


def test_all_are_marked_as_read_without_leaving_the_page(browse, reader):
    page = browse(reader)
    troubles = troubles_of(page)
    page.goto("/profile/")
    page.locator(BELL).click()

    page.get_by_role("button", name="Mark all as read").click()
    page.locator(f"{BELL} .count").wait_for(state="detached")

    assert page.url.endswith("/profile/")
    assert page.locator("#frame-notices").is_visible()
    page.wait_for_function("document.activeElement.textContent.includes('Title 2')")
    assert page.get_by_role("button", name="Mark all as read").count() == 0
    assert not reader.notices.unread().exists()
    assert troubles == []


def test_without_javascript_the_bell_leads_to_the_list(browse, reader):
    page = browse(reader, java_script_enabled=False)
    page.goto("/profile/")

    page.locator(BELL).click()
    page.get_by_role("link", name="All notices").click()
    page.get_by_role("button", name="Mark all as read").click()

    assert page.url.endswith(reverse("accounts:notices"))
    assert not reader.notices.unread().exists()
