"""When a session was seen is written down once a minute, and asks nothing of strangers."""

import pytest
from allauth.usersessions.models import UserSession
from django.urls import reverse

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_an_address_that_proxies_did_not_pass_on_breaks_no_page_of_strangers(client, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2

    answer = client.get("/health/live", headers={"X-Forwarded-For": "192.0.2.1"})

    assert answer.status_code == 200


def test_a_session_that_moves_is_written_down_at_once(client):
    client.force_login(UserFactory(administrator=True))

    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        client.get(reverse("home"), REMOTE_ADDR=address)

    assert UserSession.objects.get().ip == "192.0.2.2"
