"""Members of more than a thousand organisations see what others see; what takes long comes after the page."""

from datetime import timedelta

import pytest
from django.db import connection as db
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership, Organisation
from accounts.roles import Role
from connections.attention import state_of
from connections.errors import INVALID_KEYS, ORGANISATION_NOT_COVERED
from connections.models import CallCount, Connection, KeySet
from tests.browsing import signed_in
from tests.factories import MembershipFactory, OrganisationFactory, connect, let_in

pytestmark = pytest.mark.django_db


def join_many(user):
    """Make `user` a member of a thousand organisations more."""
    own = Organisation.objects.bulk_create(
        OrganisationFactory.build_batch(1000, environment=user.environment)
    )
    Membership.objects.bulk_create(Membership(user=user, organisation=it) for it in own)


@pytest.fixture
def accountant():
    """Whoever has connections in every state, of an own organisation and of a client."""
    office = OrganisationFactory(environment__accountant=True)
    user = MembershipFactory(organisation=office, user__administrator=True).user
    colleague = MembershipFactory(organisation=office, user__advanced=True).user
    client = let_in(user).organisation
    made = {
        name: connect(owner, organisation, name=name)[0]
        for name, owner, organisation in (
            ("used", user, office),
            ("unused", user, office),
            ("ended", user, office),
            ("ending", user, office),
            ("suspended", colleague, office),
            ("client's", user, client),
        )
    }
    keys, now = KeySet.objects.all(), timezone.now()
    keys.filter(connection=made["used"]).update(first_used_at=now, last_used_at=now)
    keys.filter(connection=made["unused"]).update(created_at=now - timedelta(days=2))
    keys.filter(connection=made["ended"]).update(ends_at=now - timedelta(days=1))
    keys.filter(connection=made["ending"]).update(ends_at=now + timedelta(days=1))
    for error in (INVALID_KEYS, ORGANISATION_NOT_COVERED):
        CallCount.objects.create(
            key_set=made["client's"].key_sets.get(),
            day=timezone.localdate(),
            code=error.code,
            calls=7,
            last_at=now,
        )
    colleague.role = Role.BASIC
    colleague.save()
    connect(name="a stranger's")
    return user


def told(user):
    """What the first page says, in words that two runs have in common."""
    state = state_of(type(user).objects.get(pk=user.pk))
    return {
        name: [str(it) if isinstance(it, Connection) else it for it in said]
        if isinstance(said, list)
        else said
        for name, said in state.items()
    }


def test_they_are_told_the_same_of_their_connections(accountant):
    few = told(accountant)
    join_many(accountant)

    assert told(accountant) == few
    assert few["active"] == 1
    assert few["refused"] == 14
    for name, connection in {
        "stopped": "suspended",
        "without_keys": "ended",
        "expiring": "ending",
        "unused": "unused",
    }.items():
        assert few[name] == [connection]
    for name in ("refusing", "still_calling"):
        assert [row["key_set__connection__name"] for row in few[name]] == ["client's"]


def test_they_see_the_same_connections(accountant):
    def names(query=""):
        page = signed_in(accountant).get(f"/connections/{query}").context["page"]
        return [str(connection) for connection in page.rows], page.counted

    queries = ("", "?status=suspended", "?status=active", "?q=client")
    few = [names(query) for query in queries]
    join_many(accountant)

    assert [names(query) for query in queries] == few
    assert len(few[0][0]) == 6


def test_the_first_page_comes_before_how_all_their_connections_are(accountant):
    browser = signed_in(accountant)
    with CaptureQueriesContext(db) as all_queries:
        whole = browser.get("/").text
    join_many(accountant)

    with CaptureQueriesContext(db) as queries:
        page = browser.get("/").text
    alone = browser.get("/", headers={"HX-Request": "true", "HX-Target": "state"}).text

    assert len(queries) <= 10
    assert len(all_queries) <= 20
    assert "Needs attention" not in page
    assert 'hx-get="/"' in page
    assert "<html" not in alone
    for said in ("Active connections", "Needs attention", "is suspended: suspended of"):
        assert said in alone
        assert said in whole
        assert said in browser.get("/?state=1").text  # without JavaScript
