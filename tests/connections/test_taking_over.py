"""On whom a connection can live instead, and that nobody gets more than they have (R6, R7, R34)."""

import uuid

import pytest
from django.test import Client

from accounts.events.models import Action, Event
from connections import services
from connections.models import Access, Connection, KeySet
from tests.browsing import session_of
from tests.factories import AppFactory, MembershipFactory, UserFactory, connect, let_in
from tests.software import Software

pytestmark = pytest.mark.django_db
SEND = ["SendDocument"]
BOTH = ["SendDocument", "GetInboxDocuments"]


@pytest.fixture
def boss():
    """The place of an administrator."""
    return MembershipFactory(user__administrator=True, user__last_name="Aalbers")


@pytest.fixture
def organisation(boss):
    return boss.organisation


def colleague(organisation, **values):
    return MembershipFactory(organisation=organisation, **{"user__advanced": True, **values}).user


@pytest.fixture
def owner(organisation):
    return colleague(organisation)


@pytest.fixture
def connected(owner):
    return connect(owner, app=AppFactory(functions=BOTH))


@pytest.fixture
def mandate(boss):
    return let_in(client=boss)


@pytest.fixture
def guest(mandate):
    """The accountancy's person who is a member."""
    return mandate.requests.get().asked_by


@pytest.fixture
def their_boss(guest, organisation):
    """An administrator of the accountancy who is a member too."""
    user = UserFactory(administrator=True, environment=guest.environment)
    return MembershipFactory(organisation=organisation, user=user).user


def take_over(connection, by, **values):
    return services.take_over(connection=connection, by=by, op_id=uuid.uuid4(), **values)


def opened():
    return set(Connection.objects.for_list().get().opened)


def works(pair, organisation):
    return Software(pair, organisation).me().status_code == 200


def listed(connection):
    """The connection as pages have it."""
    return Connection.objects.for_list().get(pk=connection.pk)


# Who could own it


def test_who_lacks_least_comes_first_and_what_is_missing_is_named(connected, boss, organisation):
    some = colleague(organisation, accesses=SEND)
    none = colleague(organisation, accesses=["GetParty"])

    found = services.who_could_own(listed(connected[0]), boss.user)

    assert found == [(boss.user, []), (some, ["GetInboxDocuments"]), (none, sorted(BOTH))]


def test_what_the_keys_are_not_meant_to_open_is_not_missing(owner, boss, organisation):
    some = colleague(organisation, accesses=SEND)
    connection, _pair = connect(owner, access=Access.CHOSEN, functions=SEND)

    assert (some, []) in services.who_could_own(listed(connection), boss.user)


def test_only_people_who_may_own_it_are_offered(connected, boss, organisation):
    for values in ({"user__role": "basic"}, {"user__blocked": True}, {"user__invited": True}):
        colleague(organisation, **values)
    UserFactory(advanced=True, environment=organisation.environment)

    assert services.who_could_own(listed(connected[0]), boss.user) == [(boss.user, [])]


def test_an_owner_who_is_gone_is_not_offered_and_one_who_stands_neither(connected, boss, owner):
    def offered():
        return [user for user, _ in services.who_could_own(listed(connected[0]), boss.user)]

    while_standing = offered()
    owner.memberships.all().delete()

    assert while_standing == offered() == [boss.user]


def test_for_a_connection_of_a_partner_both_sides_are_offered_to_the_client(
    mandate, guest, their_boss, boss, organisation
):
    connection, _pair = connect(guest, organisation)

    ours = services.who_could_own(listed(connection), boss.user)
    theirs = services.who_could_own(listed(connection), their_boss)

    assert {user for user, _ in ours} == {boss.user, their_boss}
    assert {user for user, _ in theirs} == {their_boss}


def test_what_the_mandate_does_not_allow_is_missing(boss, organisation):
    mandate = let_in(client=boss, functions=SEND)
    guest = mandate.requests.get().asked_by
    connection, _pair = connect(guest, organisation, app=AppFactory(functions=BOTH))
    colleague_of_guest = UserFactory(advanced=True, environment=guest.environment)
    other = MembershipFactory(organisation=organisation, user=colleague_of_guest).user

    found = dict(services.who_could_own(listed(connection), boss.user))

    assert found[other] == ["GetInboxDocuments"]


# Handing over


def test_a_working_connection_is_handed_to_a_colleague_with_new_keys(connected, boss, organisation):
    connection, old = connected
    other = colleague(organisation)

    new = take_over(connection, boss.user, owner=other)

    assert Connection.objects.get().owner == other
    assert [works(pair, organisation) for pair in (old, new)] == [False, True]
    event = Event.objects.get(action=Action.CONNECTION_TAKEN_OVER)
    assert event.actor == boss.user
    assert (event.details["from"], event.details["to"]) == (str(connection.owner), str(other))


def test_the_new_owner_gives_what_the_new_owner_has(connected, boss, organisation):
    some = colleague(organisation, accesses=SEND)

    take_over(connected[0], boss.user, owner=some)

    assert opened() == set(SEND)


@pytest.mark.parametrize("lack", ["role", "membership", "block", "environment"])
def test_nobody_becomes_owner_who_may_not_own(connected, boss, organisation, lack):
    connection, old = connected
    match lack:
        case "role":
            user = colleague(organisation, user__role="basic", user__advanced=False)
        case "membership":
            user = UserFactory(advanced=True, environment=organisation.environment)
        case "block":
            user = colleague(organisation, user__blocked=True)
        case "environment":
            user = MembershipFactory(
                organisation=organisation, user=UserFactory(advanced=True)
            ).user

    with pytest.raises(services.CannotOwn):
        take_over(connection, boss.user, owner=user)

    assert Connection.objects.get().owner == connection.owner
    assert works(old, organisation)


def test_it_is_not_handed_to_the_owner_it_has(connected, boss):
    with pytest.raises(services.OwnsAlready):
        take_over(connected[0], boss.user, owner=connected[0].owner)


def test_a_revoked_connection_is_not_handed_over(connected, boss, organisation):
    services.revoke(connection=connected[0], by=boss.user)

    with pytest.raises(services.Ended):
        take_over(connected[0], boss.user, owner=colleague(organisation))


def test_the_client_takes_what_its_accountant_made_and_it_is_its_own_then(
    mandate, guest, boss, organisation
):
    connection, old = connect(guest, organisation)

    new = take_over(connection, boss.user)

    connection = Connection.objects.get()
    assert (connection.owner, connection.mandate) == (boss.user, None)
    assert [works(pair, organisation) for pair in (old, new)] == [False, True]


def test_the_accountants_administrator_takes_its_colleagues_and_it_stays_the_partnerships(
    mandate, guest, their_boss, organisation
):
    connection, _old = connect(guest, organisation)

    new = take_over(connection, their_boss)

    connection = Connection.objects.get()
    assert (connection.owner, connection.mandate) == (their_boss, mandate)
    assert works(new, organisation)


def test_the_accountants_administrator_cannot_take_what_is_the_clients_own(
    connected, guest, their_boss, organisation
):
    connection, pair = connected

    for owner in (their_boss, guest):
        with pytest.raises(services.NotYours):
            take_over(connection, their_boss, owner=owner)

    browser = Client()
    browser.cookies["sessionid"] = session_of(their_boss)
    posted = {"op_id": uuid.uuid4(), "owner": their_boss.pk}
    assert browser.post(connection.url("take-over"), posted).status_code == 403
    assert works(pair, organisation)


def test_without_the_integrations_service_nothing_is_taken_over(connected, boss, organisation):
    connection, _pair = connected
    environment = organisation.environment
    environment.integrations_terms = ""
    environment.integrations_at = environment.integrations_by = None
    environment.save()

    with pytest.raises(services.IntegrationsOff):
        take_over(connection, boss.user)

    assert Connection.objects.get().owner == connection.owner


# The page


@pytest.fixture
def office(boss):
    browser = Client()
    browser.cookies["sessionid"] = session_of(boss.user)
    return browser


def test_the_page_offers_each_with_what_would_be_lost(office, connected, organisation):
    some = colleague(organisation, accesses=SEND)

    page = office.get(connected[0].url("take-over"))

    assert "Lacks, so the keys lose it: list received invoices" in " ".join(page.text.split())
    assert f'value="{some.pk}"' in page.text


@pytest.mark.parametrize("whom", ["", "a\0b", "9" * 40, "-1", "١٢", "x" * 5000])
def test_whom_the_page_does_not_offer_is_not_taken(office, connected, organisation, whom):
    connection, pair = connected

    answer = office.post(connection.url("take-over"), {"op_id": uuid.uuid4(), "owner": whom})

    assert answer.status_code == 422
    assert works(pair, organisation)


def test_a_tampered_owner_of_another_environment_is_refused(office, connected):
    stranger = MembershipFactory(user__advanced=True).user

    posted = {"op_id": uuid.uuid4(), "owner": stranger.pk}

    assert office.post(connected[0].url("take-over"), posted).status_code == 422
    assert Connection.objects.get().owner == connected[0].owner


def test_a_double_click_makes_one_set(office, connected, boss):
    posted = {"op_id": uuid.uuid4(), "owner": boss.user.pk}

    answers = [office.post(connected[0].url("take-over"), posted) for _click in range(2)]

    assert [answer.status_code for answer in answers] == [200, 409]
    assert KeySet.objects.count() == 2


# An editor with fewer rights than the owner


@pytest.fixture
def editor(organisation):
    """May manage connections, but has only one API function."""
    return colleague(organisation, accesses=SEND)


def change(connection, by, access=Access.CHOSEN, functions=()):
    services.change_accesses(connection=connection, access=access, functions=functions, by=by)


@pytest.fixture
def narrow(owner):
    """A connection whose keys open one function of those that its owner has."""
    return connect(
        owner, app=AppFactory(functions=BOTH), access=Access.CHOSEN, functions=["GetInboxDocuments"]
    )


def test_an_editor_widens_keys_by_what_the_editor_has(narrow, editor):
    change(narrow[0], editor, functions=BOTH)

    assert opened() == set(BOTH)


@pytest.mark.parametrize("access", [Access.ALL, Access.OWNERS, Access.CHOSEN])
def test_an_editor_does_not_widen_keys_beyond_what_the_editor_has(owner, editor, access):
    connection, _pair = connect(
        owner, app=AppFactory(functions=BOTH), access=Access.CHOSEN, functions=SEND
    )

    with pytest.raises(services.MoreThanYours) as refused:
        change(connection, editor, access, BOTH)

    assert refused.value.missing == ["GetInboxDocuments"]
    assert opened() == set(SEND)


@pytest.mark.parametrize("functions", [[], ["GetInboxDocuments"], SEND])
def test_an_editor_narrows_keys_whatever_they_open(connected, editor, functions):
    change(connected[0], editor, functions=functions)

    assert opened() == set(functions)


def test_what_an_editor_took_away_the_editor_cannot_give_back(narrow, editor):
    change(narrow[0], editor, functions=[])

    with pytest.raises(services.MoreThanYours):
        change(narrow[0], editor, functions=["GetInboxDocuments"])


def test_keys_that_are_suspended_are_not_widened_either(owner, editor):
    connection, _pair = connect(
        owner, app=AppFactory(functions=BOTH), access=Access.CHOSEN, functions=SEND
    )
    role, owner.role = owner.role, "basic"
    owner.save()

    with pytest.raises(services.OwnerGone):
        change(connection, editor, Access.ALL)
    owner.role = role
    owner.save()

    assert opened() == set(SEND)


def test_nobody_gets_new_keys_that_open_more_than_they_may_themselves(
    connected, editor, organisation
):
    connection, pair = connected

    with pytest.raises(services.MoreThanYours):
        services.create_new_keys(connection=connection, by=editor, op_id=uuid.uuid4())

    assert works(pair, organisation)
    assert KeySet.objects.count() == 1


def test_nobody_hands_over_keys_that_open_more_than_they_may_themselves(boss, connected, owner):
    boss.accesses = SEND
    boss.save()
    other = colleague(boss.organisation)

    with pytest.raises(services.MoreThanYours):
        take_over(connected[0], boss.user, owner=other)

    assert Connection.objects.get().owner == owner


def test_an_editor_with_fewer_rights_revokes(connected, editor):
    services.revoke(connection=connected[0], by=editor)

    assert Connection.objects.get().is_revoked


def test_the_form_of_an_editor_keeps_what_is_given_and_locks_what_the_editor_lacks(owner, editor):
    connection, _pair = connect(
        owner,
        app=AppFactory(functions=[*BOTH, "GetParty"]),
        access=Access.CHOSEN,
        functions=["GetInboxDocuments"],
    )
    browser = Client()
    browser.cookies["sessionid"] = session_of(editor)
    url = connection.url("accesses")

    options = browser.get(url).context["form"].options()
    locked = {option.function.name for option in options if option.locked}
    posted = {"access": "chosen", "functions": [*BOTH, "GetParty"]}
    answer = browser.post(url, posted)

    assert locked == {"GetParty"}
    assert answer.status_code == 302
    assert opened() == set(BOTH)


def test_the_page_says_what_would_be_more_than_yours(owner, editor, connected):
    browser = Client()
    browser.cookies["sessionid"] = session_of(editor)

    answer = browser.post(connected[0].url("new-keys"), {"op_id": uuid.uuid4()}, follow=True)

    assert "These keys would open more than you may do yourself: GetInboxDocuments" in answer.text
