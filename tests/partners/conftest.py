import re

import pytest
from django.test import Client
from django.utils import timezone

from accounts.adapter import SIGNED_IN_AT
from accounts.mail.models import Mail
from accounts.models import User
from tests.factories import MembershipFactory, UserFactory, ask


@pytest.fixture(autouse=True)
def _database(db, settings):
    """Every test here looks at rows; mails are rows too, though Django's tests would keep them in memory."""
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"


@pytest.fixture
def asker():
    """An advanced user of an accountancy that may send requests."""
    return UserFactory(advanced=True, environment__accountant=True, first_name="Joris")


@pytest.fixture
def boss(asker):
    """The administrator of that accountancy."""
    return UserFactory(administrator=True, environment=asker.environment, first_name="Bo")


@pytest.fixture
def member():
    """The place of a client's administrator in the client's organisation."""
    return MembershipFactory(user__administrator=True, user__first_name="Noor")


@pytest.fixture
def asked(asker, member):
    """A pending request."""
    return ask(asker, member)


@pytest.fixture
def browser_of():
    """A browser in which this person has just signed in."""

    def signed_in(user):
        client = Client()
        client.force_login(User.objects.get(pk=user.pk))  # as the database knows the person now
        session = client.session
        session[SIGNED_IN_AT] = timezone.now().timestamp()
        session.save()
        return client

    return signed_in


def newest_link(email=None):
    """The path of the activation link in the newest mail (to `email`)."""
    mails = Mail.objects.filter(body__contains="/authorisations/link/")
    newest = (mails.filter(to=email) if email else mails).latest("pk")
    return re.search(r"/authorisations/link/[^/\s]+/", newest.body)[0]
