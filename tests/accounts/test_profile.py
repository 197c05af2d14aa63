"""What people change about themselves (R56, R57)."""

import pytest
from django.urls import reverse

from accounts.events.models import Action, Event
from accounts.models import User
from accounts.roles import Role

PROFILE = "/profile/"


@pytest.mark.parametrize(
    ("first_name", "last_name", "right"),
    [
        ("Jo", "B", True),
        ("Anne-Marie", "van 't Hof", True),
        ("Renée", "O’Neill", True),
        ("Jose\u0301", "Pen\u0303a", True),
        ("प्रिया", "शर्मा", True),
        ("Nguyễn", "Đặng", True),
        ("J.P.", "de Wit", True),
        ("J", "Bakker", False),
        ("J.", "Bakker", False),
        ("Jan", "", False),
        ("Jan", "-", False),
        ("", "Bakker", False),
        ("J4n", "Bakker", False),
        ("Jan", "Bakker²", False),
        ("Jan", "B@kker", False),
        ("Jan", "Bakker_", False),
        ("Jan\nBcc: x", "Bakker", False),
        ("Jan\0", "Bakker", False),
        ("Jan", "<b>", False),
        ("Jan", "B" * 101, False),
    ],
)
def test_a_name_has_letters_and_no_digits_or_special_characters(
    browser_of, colleague, first_name, last_name, right
):
    answer = browser_of(colleague).post(PROFILE, {"first_name": first_name, "last_name": last_name})

    stored = User.objects.get(pk=colleague.pk)
    assert answer.status_code == (302 if right else 422)
    assert (stored.first_name, stored.last_name) == (
        (first_name, last_name) if right else ("Piet", "Jansen")
    )


def test_a_new_name_is_confirmed_in_the_words_of_the_source(browser_of, colleague):
    answer = browser_of(colleague).post(
        PROFILE, {"first_name": "Pieter", "last_name": "Jansen"}, follow=True
    )

    assert "Your profile has been successfully updated." in answer.content.decode()
    event = Event.objects.get(action=Action.PROFILE_CHANGED)
    assert (event.actor, event.details) == (colleague, {"changed": ["first_name"]})


def test_more_fields_than_asked_change_nothing_more(browser_of, colleague):
    browser = browser_of(colleague)
    before = User.objects.values().get(pk=colleague.pk)
    asked = {"role": Role.ADMINISTRATOR, "email": "boss@example.org", "is_staff": "on"}
    asked |= {"is_active": "", "environment": "1", "environment_id": "1", "session_epoch": "7"}

    browser.post(PROFILE, {"first_name": "Pieter", "last_name": "Jansen", **asked})

    assert User.objects.values().get(pk=colleague.pk) == {**before, "first_name": "Pieter"}


@pytest.mark.parametrize(
    ("language", "stored"), [("nl", "nl"), ("xx", "en"), ("", "en"), ("n" * 5000, "en")]
)
def test_a_person_chooses_the_language(browser_of, colleague, language, stored):
    browser = browser_of(colleague)

    browser.post(reverse("set_language"), {"language": language, "next": PROFILE})

    assert User.objects.get(pk=colleague.pk).language == stored
    assert browser.get(PROFILE)["Content-Language"] == stored


def test_another_language_speaks_for_itself(browser_of, colleague):
    answer = browser_of(colleague).post(
        reverse("set_language"), {"language": "nl", "next": PROFILE}, follow=True
    )

    assert list(answer.context["messages"]) == []


def test_a_stranger_chooses_the_language_of_the_browser(client):
    client.post(reverse("set_language"), {"language": "nl"})

    assert client.get(reverse("account_login"))["Content-Language"] == "nl"


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("/users/?q=x", "/users/?q=x"),
        ("", "/"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_the_choice_of_language_leads_back_into_the_portal_only(client, asked, target):
    answer = client.post(reverse("set_language"), {"language": "nl", "next": asked})

    assert answer["Location"] == target
