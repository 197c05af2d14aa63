"""The mails about keys (R54): who did it, and what to do when it was not expected."""

import uuid

import pytest

from accounts.mail.models import Mail
from connections import services
from tests.factories import MembershipFactory, UserFactory, connect

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _outbox(settings):
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"


def created(owner):
    connect(owner)


def new_keys(owner):
    services.create_new_keys(connection=connect(owner)[0], by=owner, op_id=uuid.uuid4())


def revoked(owner):
    services.revoke(connection=connect(owner)[0], by=owner)


REVOKE = "Did you not expect this? Revoke the connection:\nhttp://localhost:8000/"


@pytest.mark.parametrize(
    ("what", "to_the_actor", "to_others", "end_for_the_actor", "end_for_others"),
    [
        (created, "You created the connection", "Piet B created the connection", REVOKE, REVOKE),
        (new_keys, "You created new keys", "Piet B created new keys", REVOKE, REVOKE),
        (
            revoked,
            "You revoked the connection",
            "Piet B revoked the connection",
            "Did you not do this? Change your password:\nhttp://localhost:8000/accounts/password/",
            "Did you not expect this? Ask piet@example.org.",
        ),
    ],
)
def test_a_mail_about_keys_speaks_to_its_reader_and_says_what_to_do_about_a_surprise(
    what, to_the_actor, to_others, end_for_the_actor, end_for_others
):
    piet = UserFactory(advanced=True, first_name="Piet", last_name="B", email="piet@example.org")
    MembershipFactory(user=piet, organisation__environment=piet.environment)
    other = UserFactory(environment=piet.environment, administrator=True)

    what(piet)

    own, others = (Mail.objects.filter(to=user.email).latest("pk").body for user in (piet, other))
    assert to_the_actor in own
    assert "Piet B" not in own
    assert to_others in others
    assert end_for_the_actor in own.rpartition("\n\n")[2]
    assert end_for_others in others.rpartition("\n\n")[2]
