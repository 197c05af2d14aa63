"""Since when a function is off: the time of the event that took it (R28)."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import services as accounts
from accounts.models import Membership
from accounts.roles import Role
from connections import services
from connections.functions import FUNCTIONS
from connections.history import with_since
from connections.models import Access, Connection
from partners import services as partners
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in

pytestmark = pytest.mark.django_db
SEND, INBOX = "SendDocument", "GetInboxDocuments"


@pytest.fixture
def boss():
    """The place of an administrator."""
    return MembershipFactory(user__administrator=True)


@pytest.fixture
def place(boss):
    """The place of the owner, an advanced user."""
    return MembershipFactory(organisation=boss.organisation, user__advanced=True)


@pytest.fixture
def later(time_machine):
    """Let another day begin and answer its first moment: each change of a test has a time of its own."""
    now = timezone.now()

    def next_day():
        nonlocal now
        now += timedelta(days=1)
        time_machine.move_to(now, tick=False)
        return now

    next_day()
    return next_day


def since(name=SEND):
    """Where the function is missing in the one connection, and since when."""
    connection = Connection.objects.for_list().get()
    [(mark, at)] = with_since(connection, [connection.rights.mark(FUNCTIONS[name])])
    return mark.missing, at


def give(place, *functions, by):
    services.change_accesses_of_person(membership=place, accesses=list(functions), by=by.user)


def test_what_is_allowed_is_off_since_never(place):
    connect(place.user)

    assert since() == ("", None)


def test_what_the_app_does_not_ask_has_no_time(place):
    connect(place.user, app=AppFactory(functions=[INBOX]))

    assert since() == ("app", None)


@pytest.mark.parametrize("part", ["key", "owner"])
def test_what_was_never_there_is_off_since_the_connection_was_made(place, later, part):
    if part == "owner":
        place.accesses = [INBOX]
        place.save()
        later()
    made, _pair = connect(
        place.user, access=Access.CHOSEN if part == "key" else Access.ALL, functions=[INBOX]
    )
    later()

    assert since() == (part, made.created_at)


def test_taken_from_the_key(place, later):
    connection, _pair = connect(place.user)
    at = later()
    change = {"connection": connection, "access": Access.CHOSEN, "by": place.user}
    services.change_accesses(functions=[INBOX], **change)
    later()
    services.change_accesses(functions=[], **change)

    assert since() == ("key", at)
    assert since(INBOX)[1] > at


def test_taken_from_the_key_by_a_new_owner_who_lacks_it(boss, place, later):
    connection, _pair = connect(place.user, access=Access.CHOSEN, functions=[SEND, INBOX])
    other = MembershipFactory(
        organisation=boss.organisation, user__advanced=True, accesses=[INBOX]
    ).user
    at = later()
    services.take_over(connection=connection, owner=other, by=boss.user, op_id=uuid.uuid4())
    later()

    assert since() == ("key", at)


def test_taken_from_the_accesses_of_the_owner(boss, place, later):
    connect(place.user)
    at = later()
    give(place, INBOX, by=boss)
    later()
    give(place, INBOX, "GetParty", by=boss)

    assert since() == ("owner", at)


def test_accesses_taken_in_another_organisation_are_no_reason(boss, place, later):
    place.accesses = [INBOX]
    place.save()
    made, _pair = connect(place.user)
    other = MembershipFactory(
        user=place.user, organisation__environment=boss.organisation.environment
    )
    later()
    give(other, INBOX, by=boss)

    assert since() == ("owner", made.created_at)


def lower(place, boss):
    accounts.change_role(user=place.user, role=Role.BASIC, by=boss.user)


def raise_again(place, boss):
    accounts.change_role(user=place.user, role=Role.ADVANCED, by=boss.user)


def block(place, boss):
    accounts.block(user=place.user, by=boss.user)


def unblock(place, boss):
    accounts.unblock(user=place.user, by=boss.user)


def take_organisations(place, boss):
    accounts.set_organisations(user=place.user, organisations=[], by=boss.user)


def give_organisations(place, boss):
    accounts.set_organisations(user=place.user, organisations=[place.organisation], by=boss.user)


def remove(place, boss):
    accounts.remove(user=place.user, by=boss.user)


LOST_AND_BACK = [(lower, raise_again), (block, unblock), (take_organisations, give_organisations)]


@pytest.mark.parametrize("lose", [lower, block, take_organisations, remove])
def test_an_owner_who_lost_the_place_has_nothing_since_then(boss, place, later, lose):
    connect(place.user)
    at = later()
    lose(place, boss)
    later()

    assert since() == since(INBOX) == ("owner", at)


@pytest.mark.parametrize(("lose", "regain"), LOST_AND_BACK)
def test_lost_regained_and_lost_again_is_since_the_last_time(boss, place, later, lose, regain):
    connect(place.user)
    for change in (lose, regain):
        later()
        change(place, boss)
    assert since() == ("", None)
    at = later()
    lose(place, boss)
    later()

    assert since() == ("owner", at)


def test_accesses_lost_regained_and_lost_again_are_off_since_the_last_time(boss, place, later):
    connect(place.user)
    for functions in ([INBOX], [INBOX, SEND]):
        later()
        give(place, *functions, by=boss)
    at = later()
    give(place, INBOX, by=boss)

    assert since() == ("owner", at)


def test_what_comes_and_goes_meanwhile_moves_no_date(boss, place, later):
    connect(place.user)
    at = later()
    lower(place, boss)
    for change in (block, unblock):
        later()
        change(place, boss)

    assert since() == ("owner", at)


def test_another_organisation_taken_from_the_owner_is_no_reason(boss, place, later):
    connect(place.user)
    other = MembershipFactory(
        user=place.user, organisation__environment=boss.organisation.environment
    )
    at = later()
    lower(place, boss)
    later()
    accounts.set_organisations(user=place.user, organisations=[place.organisation], by=boss.user)

    assert not Membership.objects.filter(pk=other.pk).exists()
    assert since() == ("owner", at)


# Own Apps and partners


def test_taken_from_the_app_and_given_back_is_on_again(boss, place, later):
    app = AppFactory(environment=boss.organisation.environment)
    connect(place.user, app=app)
    change = {"app": app, "name": app.name, "by": place.user}
    later()
    services.change_own_app(functions=[INBOX], **change)
    off = since()
    services.change_own_app(functions=[INBOX, SEND], **change)

    assert off[0] == "app"
    assert since() == ("", None)


@pytest.fixture
def mandate(boss):
    return let_in(client=boss)


@pytest.fixture
def guest(mandate):
    return mandate.requests.get().asked_by


def allow(mandate, *functions, by):
    partners.change_functions(mandate=mandate, functions=list(functions), by=by.user)


def test_taken_by_the_client_from_its_accountant(boss, mandate, guest, later):
    connect(guest, mandate.organisation)
    for functions in ([INBOX], [INBOX, SEND]):
        later()
        allow(mandate, *functions, by=boss)
    at = later()
    allow(mandate, INBOX, by=boss)
    later()

    assert since() == ("partnership", at)


def test_what_the_client_never_allowed_is_off_since_the_connection_was_made(boss, later):
    mandate = let_in(client=boss, functions=[INBOX])
    later()
    made, _pair = connect(mandate.requests.get().asked_by, mandate.organisation)
    later()

    assert since() == ("partnership", made.created_at)


def test_a_person_of_a_partner_who_was_removed_has_nothing_since_then(boss, mandate, guest, later):
    connect(guest, mandate.organisation)
    at = later()
    partners.remove_person(mandate=mandate, user=guest, by=boss.user)
    later()

    assert since() == ("owner", at)


def test_a_person_whom_the_partner_takes_away_has_nothing_since_then(mandate, guest, later):
    connect(guest, mandate.organisation)
    other = UserFactory(administrator=True, environment=guest.environment)
    later()
    partners.assign(mandate=mandate, users=[guest, other], by=other)
    at = later()
    partners.assign(mandate=mandate, users=[other], by=other)
    later()

    assert since() == ("owner", at)


def test_it_costs_one_query_and_none_when_nothing_is_off(place, boss, django_assert_num_queries):
    connect(place.user)
    connection = Connection.objects.for_list().get()
    marks = connection.rights.marks(FUNCTIONS.values())
    with django_assert_num_queries(0):
        with_since(connection, marks)
    give(place, INBOX, by=boss)
    connection = Connection.objects.for_list().get()

    with django_assert_num_queries(1):
        with_since(connection, connection.rights.marks(FUNCTIONS.values()))
