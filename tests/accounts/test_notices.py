"""Notices: what mails say, kept in the portal; which mails a person chose; the bell (R54)."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.events.models import Action, Event
from accounts.mail.groups import ALWAYS, CHOSEN, GROUP_OF, REASONS, SAYS, Group
from accounts.mail.models import Mail, Notice
from accounts.mail.services import NOTICES_KEPT, forget_notices, tell
from accounts.roles import Role
from accounts.views.notices import NEWEST
from tests.factories import PASSWORD, MembershipFactory, UserFactory, connect

MAILS = "/profile/mails/"
LIST = "/notices/"
BY_QUEUE = {
    "invitation",
    "request",
    "user_removed",
    "account_deleted",
    "staff_invitation",
}  # they give power, or there is nobody to read it
SWITCHED_OFF = [group.value for group in CHOSEN]


def told(user, number=1, **values):
    """Notices of this person, the newest last."""
    return [
        Notice.objects.create(
            user=user,
            **{"template": "x", "title": f"Title {n}", "text": "Text.\n\nSee:\n/", **values},
        )
        for n in range(number)
    ]


@pytest.fixture
def notice(colleague):
    return told(colleague)[0]


# The table


def test_every_mail_that_is_told_has_a_group():
    templates = {
        path.stem
        for path in (Path(settings.BASE_DIR) / "templates/mail").glob("*.txt")
        if not path.stem.startswith("_")
    }

    assert templates - BY_QUEUE <= set(GROUP_OF)
    assert not BY_QUEUE & set(GROUP_OF)


def test_every_group_says_what_it_is_about_and_why_it_cannot_be_switched_off():
    assert set(SAYS) == set(Group)
    assert {*CHOSEN, *ALWAYS} == set(Group)
    assert set(REASONS) == set(ALWAYS)


@pytest.mark.parametrize(
    "template",
    [
        "role_changed",
        "user_blocked",
        "login_changed",
        "keys_found",
        "accesses_lost",
        "partnership_ended",
    ],
)
def test_what_must_reach_the_person_cannot_be_switched_off(template):
    assert GROUP_OF[template].is_always_sent


# Notice and mail


def test_a_mail_leaves_a_notice_with_its_words_and_its_way(administrator):
    user = UserFactory(environment=administrator.environment, language="nl", administrator=True)
    owned, _pair = connect()
    with transaction.atomic():
        tell("connection_created", [user], connection=owned, by=administrator)

    notice, mail = user.notices.get(), Mail.objects.get(to=user.email)
    assert (notice.title, notice.template) == (mail.subject, "connection_created")
    assert not notice.text.startswith(mail.body.splitlines()[0])
    assert f"\n{owned.get_absolute_url()}" in notice.text
    assert settings.PORTAL_BASE_URL not in notice.text
    assert settings.PORTAL_BASE_URL + MAILS in mail.body
    assert MAILS not in notice.text


def test_a_notice_goes_with_the_change_that_failed(administrator, colleague):
    with transaction.atomic():
        services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)
        transaction.set_rollback(True)

    assert not Notice.objects.exists()
    assert not Mail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_telling_outside_of_a_transaction_is_refused(colleague, administrator):
    with pytest.raises(RuntimeError):
        tell("role_changed", [colleague], by=administrator)

    assert not Notice.objects.exists()


def test_what_is_switched_off_is_not_mailed_and_still_a_notice():
    place = MembershipFactory(user__advanced=True, user__mails_off=["keys"])

    connect(place.user)

    assert not Mail.objects.filter(to=place.user.email).exists()
    assert place.organisation.name in place.user.notices.get().title


def test_another_group_is_mailed_all_the_same():
    others = ["clients", "warnings", "people"]
    owner = MembershipFactory(user__advanced=True, user__mails_off=others).user

    connect(owner)

    assert Mail.objects.filter(to=owner.email).count() == 1


def test_what_must_arrive_is_mailed_whatever_is_switched_off(administrator, colleague):
    colleague.mails_off = [*SWITCHED_OFF, "login", "stopped"]
    colleague.save()

    services.change_role(user=colleague, role=Role.ADVANCED, by=administrator)

    mail = Mail.objects.get(to=colleague.email)
    assert mail.subject == colleague.notices.get().title == "Your role has changed"
    assert MAILS not in mail.body


def test_an_invitation_leaves_no_notice(administrator):
    invited = UserFactory(environment=administrator.environment, invited=True)

    services.resend_invitation(user=invited, by=administrator)

    assert Mail.objects.get(to=invited.email)
    assert not Notice.objects.exists()


def test_the_administrators_hear_who_joined(administrator, colleague):
    invited = UserFactory(environment=administrator.environment, invited=True)

    services.accept_invitation(
        token=services.invitation_token(invited),
        first_name="Piet",
        last_name="Smit",
        password=PASSWORD,
        language="en",
    )

    assert administrator.notices.get().title == "Piet Smit has joined Bakery Jansen"
    assert [mail.to for mail in Mail.objects.all()] == [administrator.email]


def test_who_was_removed_leaves_no_notices(administrator, colleague, notice):
    services.remove(user=colleague, by=administrator)

    assert not Notice.objects.exists()


def test_nobody_elses_words_become_a_way_out_of_the_portal(colleague):
    hostile = "A:\n//evil.example\n\nB:\nhttps://evil.example/\n\nC:\n/x y\n\n/alone"

    told(colleague, text=hostile)

    lines = [line for paragraph in colleague.notices.get().paragraphs for line in paragraph]
    assert [line for line in lines if "page" in line] == []


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("password_changed", "password changed"),
        ("totp_activated", "authenticator app added"),
        ("webauthn_added", "security key added"),
        ("recovery_codes_generated", "new recovery codes"),
        ("something_new", "something_new"),
    ],
)
def test_every_change_of_a_login_is_told(colleague, method, what):
    services.note_login_change(user=colleague, method=method)

    assert colleague.notices.get().title == f"Your login has changed: {what}"
    assert Mail.objects.get().html


def test_a_new_password_is_told_with_its_origin(browser_of):
    user = UserFactory(with_login=True, language="nl", mails_off=SWITCHED_OFF)
    new = "quite another sentence"

    browser_of(user).post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
        headers={"User-Agent": "Firefox <b>" + "x" * 5000},
    )

    for text in (Mail.objects.get(to=user.email).body, user.notices.get().text):
        assert "127.0.0.1" in text
        assert "Firefox <b>xxx" in text
        assert len(text) < 1000


def test_an_authenticator_app_is_told(browser_of, django_capture_on_commit_callbacks):
    user = UserFactory(with_login=True)
    browser, add = browser_of(user), reverse("mfa_activate_totp")
    browser.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    secret = browser.get(add).context["form"].secret
    counter = list(yield_hotp_counters_from_time())[1]

    with django_capture_on_commit_callbacks(execute=True):
        browser.post(add, {"code": format_hotp_value(hotp_value(secret, counter))})

    assert user.notices.get().title == "Your login has changed: authenticator app added"
    assert Mail.objects.get().subject == user.notices.get().title
    assert secret not in str([*Notice.objects.values(), *Mail.objects.values()])


def test_the_earlier_address_hears_that_it_is_no_more(colleague):
    change = {"from_email": "old@example.org", "to_email": "new@example.org"}

    services.note_login_change(
        user=colleague, method="email_changed", to="old@example.org", about=change
    )

    assert Mail.objects.get().to == "old@example.org"
    assert "old@example.org → new@example.org" in colleague.notices.get().text


# Which mails a person chose


def test_a_person_chooses_mails(browser_of, colleague):
    browser = browser_of(colleague)

    browser.post(MAILS, {"keys": "on", "people": "on"})

    colleague.refresh_from_db()
    assert colleague.mails_off == ["clients", "warnings"]
    assert Event.objects.get(action=Action.PROFILE_CHANGED).details == {"changed": ["mails_off"]}
    shown = browser.get(MAILS).context["form"].initial
    assert [group for group, wanted in shown.items() if not wanted] == ["clients", "warnings"]


def test_the_same_choice_again_changes_nothing(browser_of, colleague):
    browser_of(colleague).post(MAILS, dict.fromkeys(SWITCHED_OFF, "on"))

    assert not Event.objects.exists()


def test_no_form_switches_off_what_must_arrive(browser_of, colleague):
    browser_of(colleague).post(MAILS, {"login": "", "stopped": "", "mails_off": "login"})

    colleague.refresh_from_db()
    assert colleague.mails_off == SWITCHED_OFF


def test_the_page_says_what_is_always_mailed_and_why(browser_of, colleague):
    page = browser_of(colleague).get(MAILS).text

    for group in ALWAYS:
        assert str(group.label) in page
        assert str(group.reason) in page


# The bell and the pages


@pytest.mark.parametrize(
    ("number", "shown"), [(0, None), (1, "1"), (99, "99"), (100, "99+"), (120, "99+")]
)
def test_the_bell_counts_what_is_unread(browser_of, colleague, number, shown):
    told(colleague, number)
    told(colleague, 2, read_at=timezone.now())

    page = browser_of(colleague).get(LIST).text

    count = re.search(r'class="count"[^>]*>([^<]*)<', page)
    assert (count and count[1]) == shown


def test_the_bell_costs_a_page_one_query_whatever_there_is(browser_of, colleague):
    browser, costs = browser_of(colleague), []
    browser.get("/profile/")  # the first page notes the session too
    for number in (0, 1, 150):
        told(colleague, number)
        with CaptureQueriesContext(connection) as queries:
            browser.get("/profile/")
        costs.append(len(queries))
        asked = [q["sql"] for q in queries if "mail_notice" in q["sql"]]
        assert len(asked) == 1
        assert "LIMIT 100" in asked[0]

    assert len(set(costs)) == 1


def test_the_bell_opens_the_newest(browser_of, colleague):
    told(colleague, NEWEST + 3)

    answer = browser_of(colleague).get(f"{LIST}newest/", headers={"HX-Request": "true"})

    assert answer.text.count("<li>") == NEWEST
    assert f"Title {NEWEST + 2}" in answer.text
    assert "Title 1<" not in answer.text
    assert "<html" not in answer.text


def test_without_htmx_the_bell_leads_to_the_list(browser_of, colleague):
    assert browser_of(colleague).get(f"{LIST}newest/")["Location"] == LIST


def test_the_list_is_paged_at_the_same_cost(browser_of, colleague):
    browser, costs = browser_of(colleague), []
    browser.get(LIST)
    for number in (1, 2, 60):
        told(colleague, number)
        with CaptureQueriesContext(connection) as queries:
            first = browser.get(LIST)
        costs.append(len(queries))

    second = browser.get(f"{LIST}?{first.context['page'].query}")

    assert len(set(costs)) == 1
    assert (len(first.context["page"].rows), len(second.context["page"].rows)) == (50, 13)


@pytest.mark.parametrize("after", ["a\0b", "x" * 5000, "1"])
def test_a_broken_place_in_the_list_shows_its_start(browser_of, colleague, notice, after):
    assert notice.title in browser_of(colleague).get(LIST, {"after": after}).text


def test_a_notice_shows_its_words_and_is_read_by_that(browser_of, colleague, notice):
    page = browser_of(colleague).get(notice.get_absolute_url()).text

    assert f"<h1>{notice.title}</h1>" in page
    assert '<a href="/">See</a>' in page
    notice.refresh_from_db()
    assert notice.read_at


def test_reading_again_keeps_when_it_was_read(browser_of, colleague, notice):
    browser = browser_of(colleague)
    browser.get(notice.get_absolute_url())
    first = colleague.notices.get().read_at

    browser.get(notice.get_absolute_url())

    assert colleague.notices.get().read_at == first


def test_what_stands_in_a_notice_is_escaped(browser_of, colleague):
    (notice,) = told(colleague, title="<b>T</b>", text="<i>x</i>\n\n- <u>y</u>")

    page = browser_of(colleague).get(notice.get_absolute_url()).text

    assert not re.search(r"<b>T|<i>x|<u>y", page)


@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_a_notice_is_nobody_elses(browser_of, administrator, notice, method):
    answer = getattr(browser_of(administrator), method)(notice.get_absolute_url())

    assert answer.status_code == (404 if method != "post" else 405)
    notice.refresh_from_db()
    assert notice.read_at is None


@pytest.mark.parametrize("number", [0, 2**31, 2**63, 2**70])
def test_a_notice_that_is_none_is_404(browser_of, colleague, number):
    assert browser_of(colleague).get(f"{LIST}{number}/").status_code == 404


def test_nobody_sees_or_marks_the_notices_of_others(browser_of, administrator, notice):
    browser = browser_of(administrator)

    pages = [browser.get(LIST), browser.get(f"{LIST}newest/", headers={"HX-Request": "true"})]
    browser.post(f"{LIST}read/")

    assert not any(notice.title in page.text for page in pages)
    notice.refresh_from_db()
    assert notice.read_at is None


@pytest.mark.parametrize("htmx", [{}, {"HX-Request": "true"}])
def test_all_are_marked_as_read_at_once(browser_of, colleague, htmx):
    told(colleague, 3)

    answer = browser_of(colleague).post(f"{LIST}read/", headers=htmx)

    assert answer.status_code == (200 if htmx else 302)
    assert not colleague.notices.unread().exists()


def test_marking_is_no_matter_of_following_a_link(browser_of, colleague, notice):
    assert browser_of(colleague).get(f"{LIST}read/").status_code == 405


def test_support_staff_read_theirs_too(browser_of):
    staff = UserFactory(staff=True)
    (notice,) = told(staff)

    for page in (LIST, notice.get_absolute_url(), MAILS):
        assert browser_of(staff).get(page).status_code == 200


# Old ones


def test_notices_survive_for_90_days(colleague):
    (old,) = told(colleague, created_at=timezone.now() - NOTICES_KEPT - timedelta(minutes=1))
    (younger,) = told(colleague, created_at=timezone.now() - NOTICES_KEPT + timedelta(minutes=1))

    assert [forget_notices(), forget_notices()] == [1, 0]
    assert list(Notice.objects.all()) == [younger]


@pytest.mark.django_db(transaction=True)  # the worker closes connections, even inside a transaction
def test_the_worker_forgets_them(colleague, notice):
    with time_machine.travel(timezone.now() + timedelta(days=91)):
        call_command("work", once=True)

    assert not Notice.objects.exists()
