"""Sign-up, sign-in and passwords: what allauth does for us, with our rules (R1, R55, R56)."""

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import Environment, User
from accounts.roles import Role
from tests.factories import (
    PASSWORD,
    AppFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
)

SIGN_UP = {
    "environment": "Bakkerij Jansen",
    "first_name": "Piet",
    "last_name": "Jansen",
    "email": "Piet@Example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


def newest_code():
    """The code in the newest mail."""
    return re.search(r"^([A-Z0-9]+-[A-Z0-9]+)\s*$", Mail.objects.latest("pk").body, re.M)[1]


def test_the_first_user_is_administrator_of_a_new_environment(client):
    client.post(reverse("account_signup"), SIGN_UP)
    client.post(reverse("account_email_verification_sent"), {"code": newest_code()})

    user = User.objects.get(email="piet@example.org")
    assert (user.environment.name, user.role) == ("Bakkerij Jansen", Role.ADMINISTRATOR)
    assert (str(user), user.status) == ("Piet Jansen", "active")
    assert EmailAddress.objects.get(user=user).verified
    assert client.get(reverse("accounts:users")).status_code == 200
    event = Event.objects.get(action=Action.ENVIRONMENT_CREATED)
    assert (event.environment, event.actor) == (user.environment, user)


@pytest.mark.parametrize(("seconds", "status"), [(1, 200), (601, 302)])
def test_the_password_of_the_sign_up_counts_for_ten_minutes(client, seconds, status):
    client.post(reverse("account_signup"), SIGN_UP)
    client.post(reverse("account_email_verification_sent"), {"code": newest_code()})
    user = User.objects.get(email="piet@example.org")
    organisation = OrganisationFactory(environment=user.environment)
    MembershipFactory(user=user, organisation=organisation)
    create = reverse("connections:create", args=[organisation.organisation_id, AppFactory().pk])

    with time_machine.travel(timezone.now() + timedelta(seconds=seconds)):
        assert client.get(create).status_code == status


def test_one_sentence_says_what_a_password_must_be(client):
    first = client.get(reverse("account_signup"))
    again = client.post(reverse("account_signup"), {**SIGN_UP, "password1": "short"})

    for answer in (first, again):
        assert "At least 12 characters. A sentence that you remember" in answer.text
        assert "Your password can" not in answer.text


def test_before_the_address_is_confirmed_nothing_opens(client):
    client.post(reverse("account_signup"), SIGN_UP)

    assert client.get(reverse("accounts:users")).status_code == 302


def test_the_language_of_the_sign_up_is_the_language_of_the_person(client):
    client.post(reverse("account_signup"), SIGN_UP, headers={"Accept-Language": "nl"})

    assert User.objects.get(email="piet@example.org").language == "nl"


def test_the_form_asks_in_the_order_of_a_conversation(client):
    form = client.get(reverse("account_signup")).context["form"]

    assert list(form.fields) == list(SIGN_UP)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("first_name", "P", "A first name has at least 2 letters."),
        ("first_name", "P1et", "A name has no digits or special characters."),
        ("last_name", ".", "A last name has at least 1 letter."),
        ("last_name", "J@nsen", "A name has no digits or special characters."),
        ("environment", "", "This field is required."),
        ("environment", "x" * 101, "Ensure this value has at most 100 characters (it has 101)."),
        ("environment", "a\0b", "Null characters are not allowed."),
        ("password2", "another sentence", "You must type the same password each time."),
    ],
)
def test_a_wrong_sign_up_says_what_is_wrong_and_makes_nothing(client, field, value, sentence):
    answer = client.post(reverse("account_signup"), {**SIGN_UP, field: value})

    assert answer.context["form"].errors[field] == [sentence]
    assert not Environment.objects.exists()


def test_more_fields_than_asked_give_nothing_more(client):
    other = UserFactory().environment

    client.post(reverse("account_signup"), {**SIGN_UP, "is_staff": "1", "environment_id": other.pk})

    user = User.objects.get(email="piet@example.org")
    assert (user.is_staff, user.environment == other) == (False, False)


def as_seen_by_an_onlooker(name, data, address):
    """The answers to `data` with that address and to a guessed code, without what differs by chance."""
    browser = Client()
    answers = [
        browser.post(reverse(name), {**data, "email": address}, follow=True),
        browser.post(reverse("account_email_verification_sent"), {"code": "AAAA-BBBB"}),
        browser.post(reverse("account_email_verification_sent"), {"action": "resend"}, follow=True),
    ]
    by_chance = r'name="csrfmiddlewaretoken" value="[^"]*"|"X-CSRFToken": "[^"]*"|' + re.escape(
        address
    )
    return [
        (answer.status_code, re.sub(by_chance, "", answer.content.decode())) for answer in answers
    ]


@pytest.mark.parametrize(
    ("name", "data"), [("account_signup", SIGN_UP), ("account_reset_password", {})]
)
@pytest.mark.parametrize("known", ["member@example.org", "invited@example.org", "out@example.org"])
def test_known_and_unknown_addresses_are_answered_the_same(name, data, known):
    UserFactory(with_login=True, email="member@example.org")
    UserFactory(invited=True, email="invited@example.org")
    UserFactory(with_login=True, blocked=True, email="out@example.org")

    answer = as_seen_by_an_onlooker(name, data, known)

    assert answer == as_seen_by_an_onlooker(name, data, "stranger@example.org")
    assert Mail.objects.filter(to=known).exists()


def test_signing_up_with_a_known_address_makes_nothing(client):
    UserFactory(with_login=True, email="member@example.org")
    before = User.objects.count(), Environment.objects.count()

    client.post(reverse("account_signup"), {**SIGN_UP, "email": "Member@Example.org"})

    assert (User.objects.count(), Environment.objects.count()) == before


def test_links_in_mails_never_follow_the_host_of_the_request(client):
    UserFactory(with_login=True, email="member@example.org")

    for address in ("member@example.org", "stranger@example.org"):
        client.post(
            reverse("account_reset_password"), {"email": address}, headers={"Host": "127.0.0.1"}
        )
    client.post(
        reverse("account_signup"),
        {**SIGN_UP, "email": "member@example.org"},
        headers={"Host": "127.0.0.1"},
    )

    bodies = Mail.objects.values_list("body", flat=True)
    assert [body.count("http://localhost:8000/") > 0 for body in bodies] == [True] * 3
    assert not any("127.0.0.1/" in body for body in bodies)


@pytest.fixture
def two_browsers():
    """A person signed in twice."""
    user = UserFactory(with_login=True)
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
        assert is_signed_in(browser)
    return user, *browsers


def is_signed_in(browser):
    return browser.get(reverse("accounts:profile")).status_code == 200


def test_a_new_password_ends_every_session_is_noted_and_mailed(two_browsers):
    user, here, elsewhere = two_browsers
    new = "quite another sentence"

    here.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )

    assert (is_signed_in(here), is_signed_in(elsewhere)) == (False, False)
    assert Event.objects.get(action=Action.LOGIN_CHANGED).details_in_words == "password changed"
    assert "password" in Mail.objects.get(to=user.email).body


def test_a_reset_password_ends_every_session(two_browsers, client):
    user, here, elsewhere = two_browsers
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = re.search(
        r"http://localhost:8000(/accounts/password/reset/\S+)", Mail.objects.get().body
    )[1]
    form = client.get(link)["Location"]

    client.post(
        form, {"password1": "quite another sentence", "password2": "quite another sentence"}
    )

    assert (is_signed_in(here), is_signed_in(elsewhere)) == (False, False)
    assert Event.objects.get(action=Action.LOGIN_CHANGED).actor == user


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/organisations/KPNL10001/connections/new/1/", "keys are at stake"),
        ("/accounts/2fa/totp/activate/", "the safety of your account"),
    ],
)
def test_who_is_asked_for_the_password_again_reads_why_and_may_turn_back(
    two_browsers, target, said
):
    _user, here, _elsewhere = two_browsers

    page = here.get(reverse("account_reauthenticate"), {"next": target}).text
    again = here.post(reverse("account_reauthenticate"), {"next": target, "password": "no"}).text

    for text in (page, again):
        assert "Is it still you?" in text
        assert said in text
        assert f'href="{reverse("home")}"' in text


def test_who_is_blocked_cannot_sign_in(client):
    user = UserFactory(with_login=True, blocked=True)

    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})

    assert not is_signed_in(client)


def test_a_company_has_a_name_of_one_line(client):
    client.post(reverse("account_signup"), SIGN_UP | {"environment": "Bakery\n\nhttps://x  Jansen"})

    assert Environment.objects.get().name == "Bakery https://x Jansen"
