"""What the worker forgets: a year and a month later nothing older is left (docs/privacy.md)."""

import uuid
from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.mail.models import Mail, Notice
from connections import services
from connections.autopilot.models import Attempt
from connections.invoices.models import Invoice, SentOnce
from connections.models import CallCount, KeySet, RefusedCall, SecurityToken
from tests.connections.test_tokens import ask
from tests.factories import UserFactory, connect, organisation_at
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = pytest.mark.django_db(transaction=True)


def personal():
    """How much there is of each kind that goes away in time."""
    return {
        "tokens": SecurityToken.objects.count(),
        "refused calls": RefusedCall.objects.count(),
        "networks of calls": CallCount.objects.exclude(last_network="").count(),
        "idempotency keys": SentOnce.objects.count(),
        "digests of retired keys": KeySet.objects.exclude(retired_at=None)
        .exclude(secret_digest="", leak_tag="")
        .count(),
        "mails": Mail.objects.count(),
        "notices": Notice.objects.count(),
        "sessions": Session.objects.count(),
        "addresses of sessions": UserSession.objects.count(),
    }


@pytest.fixture
def used():
    """A connection that was used in every way that leaves something."""
    connection, pair = connect(
        organisation=organisation_at("0088:7300010000001", registration_number="71234561")
    )
    software = Software(pair, connection.organisation)
    software.send(invoice(), **{"Idempotency-Key": "order-1"})
    ask(pair)
    services.create_new_keys(connection=connection, by=connection.owner, op_id=uuid.uuid4())
    software.me()  # with the old keys
    visitor = Client()
    visitor.force_login(UserFactory())
    visitor.get("/profile/")
    call_command("work", "--once")
    return connection


def test_after_400_days_the_worker_has_forgotten_what_has_a_term(used):
    before = personal()

    with time_machine.travel(timezone.now() + timedelta(days=401)):
        call_command("work", "--once")
        call_command("work", "--once")

        assert [kind for kind, number in before.items() if not number] == []
        assert personal() == dict.fromkeys(before, 0) | {
            # of what the worker itself told in these days
            "mails": Mail.objects.filter(created_at__gt=timezone.now() - timedelta(days=1)).count(),
            "notices": Notice.objects.filter(
                created_at__gt=timezone.now() - timedelta(days=1)
            ).count(),
        }
        assert Attempt.objects.count() == 0
    assert Invoice.objects.count() == 1
    assert used.key_sets.current().exclude(secret_digest="").count() == 1


def test_before_their_term_the_worker_forgets_nothing_that_is_needed(used):
    with time_machine.travel(timezone.now() + timedelta(days=29)):
        call_command("work", "--once")

        after = personal()
        kept = ("digests of retired keys", "networks of calls", "idempotency keys", "refused calls")
        assert [kind for kind in kept if not after[kind]] == []
