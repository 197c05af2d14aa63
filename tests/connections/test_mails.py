"""The mails about keys (R54): who did it, and what to do when it was not expected."""

import uuid
from functools import partial

import pytest

from accounts import ripples
from accounts import services as accounts
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
    assert end_for_the_actor in own.split("\n\n")[-2]  # the last one leads to the choice of mails
    assert end_for_others in others.split("\n\n")[-2]


# Rights that were taken away, and the Integrations service


def lose(owner, administrator, service, **values):
    """Make a change, having seen what it takes away."""
    change = partial(service, by=administrator, **values)
    seen = ripples.fingerprint(ripples.rehearse(change, about=owner))
    assert ripples.make(change, about=owner, by=administrator, seen=seen) == []


def taken(administrator, owner):
    connect(owner, name="Web <shop>")
    lose(owner, administrator, accounts.change_role, user=owner, role="basic")


def narrowed(administrator, owner):
    connect(owner)
    few = {"membership": owner.memberships.get(), "accesses": ["GetInboxDocuments"]}
    lose(owner, administrator, services.change_accesses_of_person, **few)


LOST = "1 key can do less or stopped", "made a change that took rights away."
RIGHTS_LOST = [
    (taken, *LOST, "suspended, every call is refused"),
    (narrowed, *LOST, "can no longer: see which organisations the keys are for"),
]


@pytest.fixture
def people():
    """An administrator who acts, another one, and an owner, in one environment."""
    piet = UserFactory(administrator=True, first_name="Piet", last_name="B")
    other = UserFactory(administrator=True, environment=piet.environment)
    place = MembershipFactory(organisation__environment=piet.environment, user__advanced=True)
    return piet, other, place.user


@pytest.mark.parametrize(
    ("what", "subject", "says", "of_the_key"),
    RIGHTS_LOST,
    ids=[row[0].__name__ for row in RIGHTS_LOST],
)
def test_a_mail_about_lost_rights_says_who_did_it_and_which_keys_stopped(
    people, what, subject, says, of_the_key
):
    piet, other, owner = people

    what(piet, owner)

    own, others = (Mail.objects.filter(to=user.email).latest("pk") for user in (piet, other))
    assert subject in own.subject == others.subject
    assert f"You {says}" in own.body
    assert "Piet B" not in own.body
    assert f"Piet B {says}" in others.body
    for mail in (own, others):
        assert of_the_key in mail.body


@pytest.mark.parametrize("what", [row[0] for row in RIGHTS_LOST], ids=lambda what: what.__name__)
def test_every_mail_about_lost_rights_is_finished_and_escaped(people, what):
    piet, _other, owner = people

    what(piet, owner)

    for mail in Mail.objects.all():
        for text in (mail.subject, mail.body, mail.html):
            assert "{{" not in text
            assert "None" not in text
            assert "kps_" not in text
        assert "<shop>" not in mail.html
        assert "\n\n\n" not in mail.body
