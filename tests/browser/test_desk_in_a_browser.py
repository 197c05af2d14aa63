"""The pages of the support desk in a real browser: accessible, without errors, fitting a phone.

With PICTURES=folder a picture of every page is left there.
"""

from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from accounts import blocking
from accounts.mail.models import Mail
from accounts.models import Environment, Organisation, User
from connections.models import App, Connection, RefusedCall
from portal.demo import story
from tests.browser.test_pages_in_a_browser import LOOKS, PHONE, PICTURES
from tests.browsing import troubles_of

# Empty headers stand in Django's own tables of rows that belong to a row.
AXE = {"resultTypes": ["violations"], "rules": {"empty-table-header": {"enabled": False}}}

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def at(name, row):
    return reverse(f"admin:{name}", args=[row.pk])


def places():
    """The pages of the demonstration: name, address, and the button that is clicked there."""
    bakery = Environment.objects.get(name="Bakkerij De Molen")
    group = Environment.objects.get(name="Van Dijk Groep")
    office = Environment.objects.get(name="Administratiekantoor Noord")
    suspended = Connection.objects.suspended().first()
    Mail.objects.create(to="sanne@demolen.example", subject="A mail that was given up")
    mail = Mail.objects.latest("pk")
    staff = User.objects.get(email=story.SUPPORT)
    colleague = User.objects.create_user("noor@koppel.example", is_staff=True)
    smit = User.objects.get(email="els@smit.example").environment
    blocking.block(environment=smit, reason="A Secret of yours stood on a public page.", by=staff)
    return [
        ("index", reverse("admin:index"), ""),
        ("search", f"{reverse('admin:search')}?q=van%20dijk", ""),
        ("search-nothing", f"{reverse('admin:search')}?q=nothing%20at%20all", ""),
        ("search-short", f"{reverse('admin:search')}?q=%25", ""),
        ("environment", at("environment", group), ""),
        ("environment-bakery", at("environment", bakery), ""),
        ("environment-accountant", at("environment", office), ""),
        ("environment-blocked", at("environment", smit), ""),
        ("unblock", at("environment", smit), ".desk-actions form button"),
        ("block", at("block_environment", bakery), ""),
        ("environment-change", at("accounts_environment_change", bakery), ""),
        ("connection", at("connection", suspended), ""),
        ("connection-revoke", at("connection", suspended), ".desk-actions form button"),
        ("users", f"{reverse('admin:accounts_user_changelist')}?q=demolen", ""),
        ("users-empty", reverse("admin:accounts_user_changelist"), ""),
        ("user", at("accounts_user_change", bakery.users.first()), ""),
        ("staff-add", reverse("admin:accounts_user_add"), ""),
        ("staff", at("accounts_user_change", colleague), ""),
        (
            "staff-end",
            at("accounts_user_change", colleague),
            ".desk-actions form:last-child button",
        ),
        ("organisation", at("accounts_organisation_change", Organisation.objects.first()), ""),
        ("mail", at("mail_mail_change", mail), ""),
        ("app", at("connections_app_change", App.objects.filter(environment=None).first()), ""),
        ("events", f"{reverse('admin:events_event_changelist')}?environment={bakery.pk}", ""),
        *(
            ("refused-call", at("connections_refusedcall_change", call), "")
            for call in RefusedCall.objects.all()[:1]
        ),
        ("myself", at("accounts_user_change", staff), ""),
    ]


@pytest.mark.parametrize("look", list(LOOKS) if PICTURES else ["light", "dark"])
def test_every_page_of_the_desk_is_accessible_without_errors_and_fits_a_phone(browse, look):
    story.tell()
    staff = User.objects.get(email=story.SUPPORT)
    Authenticator.objects.create(user=staff, type=Authenticator.Type.TOTP, data={})
    if look == "dutch":
        User.objects.update(language="nl")
    page = browse(staff, **LOOKS[look])
    troubles, wrong, axe = troubles_of(page), [], Axe()

    for name, address, button in places():
        troubles.clear()
        page.goto(address)
        if button:
            with page.expect_navigation():
                page.locator(button).first.click()
        wrong += [f"{name}: {trouble}" for trouble in troubles]
        found = axe.run(page, options=AXE)
        if found.violations_count:
            wrong.append(f"{name}: {found.generate_report()}")
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"desk-{name}-{look}.png", full_page=True)
        page.set_viewport_size(PHONE)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wrong.append(f"{name}: is {width} wide on a phone")
        if PICTURES and look == "light":
            page.screenshot(path=Path(PICTURES) / f"desk-{name}-phone.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 800})

    assert not wrong, "\n".join(wrong)
