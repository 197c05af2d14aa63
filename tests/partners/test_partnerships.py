"""Partnerships: people, functions, the end, and the log of both sides (R32, R34, R36)."""

import inspect
from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.events.models import Action, Event
from accounts.models import Membership
from connections import services as connections
from connections.models import Connection
from partners import refusals, services
from partners.models import AuthorisationRequest, Mandate, Partnership
from partners.services import partnerships, requests
from tests.factories import (
    AppFactory,
    MembershipFactory,
    OrganisationFactory,
    UserFactory,
    ask,
    connect,
    let_in,
)

Status = AuthorisationRequest.Status


@pytest.fixture
def mandate(asker, member):
    return let_in(asker, member)


def inside(mandate):
    """Who of the accountant is a member of the client's organisation."""
    people = Membership.objects.filter(organisation=mandate.organisation)
    return {m.user for m in people.filter(user__environment=mandate.accountant)}


# People


def test_exactly_the_chosen_colleagues_come_in(mandate, asker, boss, member):
    others = UserFactory.create_batch(2, environment=asker.environment)

    services.assign(mandate=mandate, users=others, by=boss)

    assert inside(mandate) == set(others)
    assert Membership.objects.filter(user=member.user).exists()


def test_nobody_of_another_environment_is_assigned(mandate, boss, member):
    stranger = UserFactory(advanced=True)
    colleague_there = UserFactory(environment=member.user.environment)

    services.assign(mandate=mandate, users=[boss, stranger, colleague_there], by=boss)
    services.assign_to_many(mandates=Mandate.objects.all(), user=stranger, by=boss)

    assert inside(mandate) == {boss}
    assert not stranger.memberships.exists()


def test_several_clients_get_one_colleague_more(mandate, asker, boss):
    second = let_in(asker)
    colleague = UserFactory(environment=asker.environment)
    ended = let_in(asker)
    connections.end_partnership(partnership=ended.partnership, by=boss)
    services.assign(mandate=second, users=[asker, colleague], by=boss)

    new = services.assign_to_many(mandates=Mandate.objects.all(), user=colleague, by=boss)

    assert new == 1
    assert [inside(one) for one in (mandate, second, ended)] == [{asker, colleague}] * 2 + [set()]


def test_one_person_is_taken_out_and_the_others_stay(mandate, asker, boss, member):
    services.assign(mandate=mandate, users=[asker, boss], by=boss)

    for _click in range(2):
        services.remove_person(mandate=mandate, user=asker, by=member.user)

    assert inside(mandate) == {boss}


def test_the_client_takes_out_nobody_of_its_own_that_way(mandate, member):
    services.remove_person(mandate=mandate, user=member.user, by=member.user)

    assert Membership.objects.filter(user=member.user).exists()


def test_whom_the_client_removed_the_accountant_cannot_let_in_again(mandate, asker, boss, member):
    services.remove_person(mandate=mandate, user=asker, by=member.user)

    with pytest.raises(refusals.KeptOut):
        services.assign(mandate=mandate, users=[asker, boss], by=boss)
    services.assign_to_many(mandates=Mandate.objects.all(), user=asker, by=boss)

    assert inside(mandate) == set()


def test_the_client_can_let_in_again_whom_it_removed(mandate, asker, member, browser_of):
    services.remove_person(mandate=mandate, user=asker, by=member.user)
    path = [mandate.partnership.uuid, mandate.organisation.organisation_id, asker.pk]

    answer = browser_of(member.user).post(reverse("partners:readmit-person", args=path))

    assert answer.status_code == 302
    assert inside(mandate) == {asker}


def test_accepting_a_request_lets_in_whoever_asked(mandate, asker, member):
    services.remove_person(mandate=mandate, user=asker, by=member.user)
    mandate.functions = ["SendDocument"]
    mandate.save()
    again = ask(asker, member)

    services.accept(request=again, functions=again.functions, by=member.user)

    assert inside(mandate) == {asker}


def test_the_page_before_removing_says_which_connections_stop(mandate, asker, member, browser_of):
    connect(asker, mandate.organisation, AppFactory(name="Yuki"), name="Books of the year")
    path = [mandate.partnership.uuid, mandate.organisation.organisation_id, asker.pk]

    page = browser_of(member.user).get(reverse("partners:remove-person", args=path))

    assert "Books of the year" in page.text
    assert inside(mandate) == {asker}


def test_the_page_tells_who_came_and_went(mandate, asker, member, browser_of):
    services.remove_person(mandate=mandate, user=asker, by=member.user)

    page = browser_of(member.user).get(mandate.partnership.get_absolute_url())

    assert "Person of a partner removed" in page.text


def test_the_client_learns_nothing_of_people_who_never_had_access(
    mandate, boss, member, browser_of
):
    path = [mandate.partnership.uuid, mandate.organisation.organisation_id, boss.pk]
    browser = browser_of(member.user)

    answers = [
        browser.get(reverse("partners:remove-person", args=path)).status_code,
        browser.post(reverse("partners:remove-person", args=path)).status_code,
        browser.post(reverse("partners:readmit-person", args=path)).status_code,
    ]

    assert answers == [404] * 3
    assert boss not in inside(mandate)


def test_whom_the_client_removed_sees_its_page_no_more(mandate, asker, member, browser_of):
    services.remove_person(mandate=mandate, user=asker, by=member.user)

    assert browser_of(asker).get(mandate.get_absolute_url()).status_code == 404


def test_who_was_removed_stays_out_after_a_new_partnership(mandate, asker, boss, member):
    services.remove_person(mandate=mandate, user=asker, by=member.user)
    connections.end_partnership(partnership=mandate.partnership, by=boss)
    let_in(boss, member)

    with pytest.raises(refusals.KeptOut):
        services.assign(mandate=mandate, users=[asker, boss], by=boss)


def test_the_history_of_a_partnership_tells_only_of_what_one_may_enter(
    mandate, asker, member, browser_of
):
    hidden = OrganisationFactory(environment=member.user.environment, name="Hidden Holding")
    second = let_in(asker, MembershipFactory(user=member.user, organisation=hidden))
    services.change_functions(mandate=second, functions=["SendDocument"], by=member.user)
    joris = MembershipFactory(organisation=member.organisation, user__advanced=True).user

    page = browser_of(joris).get(mandate.partnership.get_absolute_url())

    assert "Hidden Holding" not in page.text


def test_people_of_the_other_side_are_named_only_while_it_lasts(mandate, boss, member, browser_of):
    connections.end_partnership(partnership=mandate.partnership, by=boss)

    page = browser_of(boss).get(mandate.partnership.get_absolute_url())

    assert member.user.email not in page.text


def test_something_must_stay_allowed(mandate, member):
    with pytest.raises(refusals.NothingAllowed):
        services.change_functions(mandate=mandate, functions=[], by=member.user)


def test_the_page_allows_only_what_was_asked(browser_of, asker, member):
    mandate = let_in(asker, member, app=AppFactory(functions=["SendDocument", "GetInboxDocument"]))
    organisation = mandate.organisation.organisation_id
    url = reverse("partners:partner-functions", args=[mandate.partnership.uuid, organisation])
    browser = browser_of(member.user)

    answers = [
        browser.post(url, {"functions": ticks}).status_code
        for ticks in (["GetInboxDocument"], ["GetOutboxDocument"], [], ["SendDocument"])
    ]

    mandate.refresh_from_db()
    assert answers == [302, 422, 409, 302]
    assert mandate.functions == ["SendDocument"]


# The end


def test_the_end_takes_people_and_connections_and_leaves_what_is_the_clients(
    mandate, asker, boss, member
):
    services.assign(mandate=mandate, users=[asker, boss], by=boss)
    made, _pair = connect(asker, mandate.organisation)
    own, _pair = connect(member.user, mandate.organisation)

    connections.end_partnership(partnership=mandate.partnership, by=boss)

    mandate.refresh_from_db()
    assert inside(mandate) == set()
    assert Connection.objects.live().get() == own
    assert Connection.objects.get(pk=made.pk).revoked_by == boss
    assert (mandate.is_active, mandate.partnership.is_active) == (False, False)
    assert mandate.requests.get().status == Status.ENDED


def test_the_end_leaves_other_partnerships_alone(mandate, asker, member, boss):
    other_client = let_in(asker)
    other_accountant = let_in(client=member)
    made, _pair = connect(asker, other_client.organisation)

    connections.end_partnership(partnership=mandate.partnership, by=boss)

    assert asker in inside(other_client)
    assert inside(other_accountant)
    assert Connection.objects.live().get() == made


def test_all_organisations_of_the_client_end_together(mandate, asker, member):
    second = MembershipFactory(user=member.user, organisation__environment=member.user.environment)
    also = let_in(asker, second)

    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    assert also.partnership == mandate.partnership
    assert not Mandate.objects.active().exists()
    assert not asker.memberships.exists()


def test_a_request_that_waits_can_still_be_answered_after_the_end(asker, member):
    mandate = let_in(asker, member, functions=["SendDocument"])
    waiting = ask(asker, member)
    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    services.accept(request=waiting, functions=["GetInboxDocument"], by=member.user)

    mandate.refresh_from_db()
    assert (mandate.is_active, mandate.functions) == (True, ["GetInboxDocument"])


def test_it_ends_once(mandate, browser_of, boss, member):
    url = reverse("connections:end-partnership", args=[mandate.partnership.uuid])

    answers = [browser_of(user).post(url).status_code for user in (boss, member.user)]

    assert answers == [302, 302]
    assert Event.objects.filter(action=Action.PARTNERSHIP_ENDED).count() == 2  # one each side
    with pytest.raises(refusals.PartnershipEnded):
        connections.end_partnership(partnership=mandate.partnership, by=boss)


@pytest.mark.parametrize(
    "change",
    [
        lambda mandate, by: services.assign(mandate=mandate, users=[], by=by),
        lambda mandate, by: services.remove_person(mandate=mandate, user=by, by=by),
        lambda mandate, by: services.change_functions(mandate=mandate, functions=["x"], by=by),
    ],
)
def test_after_the_end_nothing_is_changed(mandate, member, change):
    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    with pytest.raises(refusals.PartnershipEnded):
        change(mandate, member.user)


def test_a_new_request_starts_a_new_partnership(mandate, asker, member):
    first = mandate.partnership
    connections.end_partnership(partnership=first, by=member.user)

    again = let_in(asker, member, app=AppFactory(functions=["SendDocument"]))

    assert again == mandate
    assert again.partnership != first
    assert (again.is_active, again.functions) == (True, ["SendDocument"])
    assert list(Partnership.objects.active()) == [again.partnership]
    assert inside(again) == {asker}


def test_connections_of_the_first_time_do_not_come_back(mandate, asker, member):
    made, _pair = connect(asker, mandate.organisation)
    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    let_in(asker, member)

    assert Connection.objects.get(pk=made.pk).is_revoked


# The log of both sides


class World:
    def __init__(self):
        self.asker = UserFactory(advanced=True, environment__accountant=True)
        self.boss = UserFactory(administrator=True, environment=self.asker.environment)
        self.member = MembershipFactory(user__administrator=True)
        self.accountant, self.client = self.asker.environment, self.member.user.environment

    def asked(self):
        return ask(self.asker, self.member)

    def aged(self, **duration):
        asked = self.asked()
        moved = {
            name: getattr(asked, name) - timedelta(**duration) for name in ("sent_at", "expires_at")
        }
        AuthorisationRequest.objects.filter(pk=asked.pk).update(**moved)
        return asked

    def mandate(self):
        return let_in(self.asker, self.member)


def accept(world):
    asked = world.asked()
    services.accept(request=asked, functions=asked.functions, by=world.member.user)


def readmit(world):
    mandate = world.mandate()
    services.remove_person(mandate=mandate, user=world.asker, by=world.member.user)
    services.readmit_person(mandate=mandate, user=world.asker, by=world.member.user)


ACCOUNTANT, CLIENT, BOTH = {"accountant"}, {"client"}, {"accountant", "client"}
CHANGES = {
    "ask": (lambda w: w.asked(), Action.REQUEST_SENT, ACCOUNTANT),
    "resend": (
        lambda w: services.resend(request=w.asked(), by=w.asker),
        Action.REQUEST_RESENT,
        ACCOUNTANT,
    ),
    "remind": (
        lambda w: (w.aged(days=8), services.remind(by=w.asker)),
        Action.REQUEST_RESENT,
        ACCOUNTANT,
    ),
    "withdraw": (
        lambda w: services.withdraw(request=w.asked(), by=w.asker),
        Action.REQUEST_WITHDRAWN,
        ACCOUNTANT,
    ),
    "accept": (accept, Action.REQUEST_ACCEPTED, BOTH),
    "decline": (
        lambda w: services.decline(request=w.asked(), by=w.member.user),
        Action.REQUEST_DECLINED,
        BOTH,
    ),
    "tell_administrators": (
        lambda w: services.tell_administrators(request=w.asked(), by=w.member.user),
        Action.REQUEST_PASSED_ON,
        CLIENT,
    ),
    "expire_due": (
        lambda w: (w.aged(days=22), services.expire_due()),
        Action.REQUEST_EXPIRED,
        ACCOUNTANT,
    ),
    "assign": (
        lambda w: services.assign(mandate=w.mandate(), users=[w.boss], by=w.boss),
        Action.CLIENT_COLLEAGUES_CHANGED,
        BOTH,
    ),
    "assign_to_many": (
        lambda w: services.assign_to_many(
            mandates=Mandate.objects.filter(pk=w.mandate().pk), user=w.boss, by=w.boss
        ),
        Action.CLIENT_COLLEAGUES_CHANGED,
        BOTH,
    ),
    "remove_person": (
        lambda w: services.remove_person(mandate=w.mandate(), user=w.asker, by=w.member.user),
        Action.CLIENT_PERSON_REMOVED,
        BOTH,
    ),
    "readmit_person": (
        readmit,
        Action.CLIENT_PERSON_READMITTED,
        BOTH,
    ),
    "change_functions": (
        lambda w: services.change_functions(
            mandate=w.mandate(), functions=["SendDocument"], by=w.member.user
        ),
        Action.CLIENT_FUNCTIONS_CHANGED,
        BOTH,
    ),
    "end": (
        lambda w: services.end(partnership=w.mandate().partnership, by=w.boss),
        Action.PARTNERSHIP_ENDED,
        BOTH,
    ),
}
# `warn_due` sends mails about what has not changed.
READING = {"may_answer", "to_be_reminded", "warn_due"}


def test_the_table_names_every_service():
    theirs = {
        name
        for module in (requests, partnerships)
        for name, member in inspect.getmembers(module, inspect.isfunction)
        if inspect.unwrap(member).__module__ == module.__name__ and not name.startswith("_")
    }

    assert set(CHANGES) | READING == theirs


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_in_the_log_of_each_side_that_knows_of_it_once(name):
    change, action, sides = CHANGES[name]
    world = World()

    change(world)

    found = Event.objects.filter(action=action)
    assert {
        side for side in BOTH if found.filter(environment=getattr(world, side)).count() == 1
    } == sides
    assert found.count() == len(sides)


CONNECTIONS = {
    Action.CONNECTION_CREATED: lambda made, by: None,
    Action.KEYS_CREATED: lambda made, by: connections.create_new_keys(
        connection=made, by=by, op_id=made.uuid
    ),
    Action.CONNECTION_CHANGED: lambda made, by: connections.change_accesses(
        connection=made, access="chosen", functions=["SendDocument"], by=by
    ),
    Action.CONNECTION_REVOKED: lambda made, by: connections.revoke(connection=made, by=by),
    Action.CONNECTION_DELETED: lambda made, by: (
        connections.revoke(connection=made, by=by),
        connections.delete(connection=made, by=by),
    ),
}


@pytest.mark.parametrize("action", CONNECTIONS)
def test_what_the_accountant_does_with_connections_is_in_both_logs(action):
    world = World()
    made, _pair = connect(world.asker, world.mandate().organisation)

    CONNECTIONS[action](made, world.asker)

    found = Event.objects.filter(action=action, actor=world.asker)
    assert sorted(found.values_list("environment", flat=True)) == sorted(
        [world.accountant.pk, world.client.pk]
    )


def test_what_the_client_does_with_the_accountants_connection_is_in_both_logs():
    world = World()
    made, _pair = connect(world.asker, world.mandate().organisation)

    connections.revoke(connection=made, by=world.member.user)

    assert Event.objects.filter(action=Action.CONNECTION_REVOKED).count() == 2


def test_what_the_client_does_with_its_own_is_in_its_own_log_only():
    world = World()
    own, _pair = connect(world.member.user, world.mandate().organisation)

    connections.revoke(connection=own, by=world.member.user)

    event = Event.objects.get(action=Action.CONNECTION_REVOKED)
    assert event.environment == world.client


def test_both_sides_read_it_on_their_activity_page(browser_of):
    world = World()
    world.mandate()

    for reader in (world.boss, world.member.user):
        page = browser_of(reader).get(reverse("accounts:activity")).text
        assert "Partnership started" in page
