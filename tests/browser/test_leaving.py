"""Leaving with the keyboard alone: the own data as a file, the account, the environment."""

import pytest
from django.urls import reverse

from accounts.models import User
from portal.demo import story

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_person_takes_the_data_along_and_an_administrator_closes_the_environment(browse):
    story.tell()
    joris, sanne = (
        browse(User.objects.get(email=f"{n}@demolen.example")) for n in ("joris", "sanne")
    )

    joris.goto(reverse("accounts:profile"))
    with joris.expect_download() as downloading:
        joris.get_by_role("button", name="Download my data").press("Enter")
    joris.get_by_role("link", name="Delete my account").press("Enter")
    joris.get_by_role("button", name="Delete my account").press("Enter")
    joris.wait_for_url("**/accounts/login/**")
    sanne.goto(reverse("accounts:environment"))
    sanne.get_by_role("link", name="Close this environment").press("Enter")
    sanne.get_by_label("Type the name").fill("Bakkerij De Molen")
    sanne.keyboard.press("Enter")
    sanne.wait_for_url("**/accounts/login/**")

    assert downloading.value.suggested_filename == "koppel-my-data.zip"
    assert joris.get_by_text("Your account is deleted.").is_visible()
    assert sanne.get_by_text("Bakkerij De Molen is closed.").is_visible()
