"""How far a partnership reaches: who of the accountant gets where, with which functions (R4, R5, R7)."""

import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from accounts.models import Environment, Membership, Organisation
from accounts.roles import OPEN_TO_PARTNERS, Role
from connections import services as connections
from connections.invoices import reoffers
from connections.invoices import services as invoices
from connections.models import Access, App, Connection
from partners import refusals, services
from tests.factories import (
    AppFactory,
    MembershipFactory,
    UserFactory,
    ask,
    connect,
    let_in,
    organisation_at,
)
from tests.invoices.documents import invoice
from tests.software import Software
from tests.test_architecture import OUR_VIEWS, names

CUSTOMER = "0192:987654325"
ALL = ["SendDocument", "GetOutboxDocuments", "GetOutboxDocument"]
ALL += ["GetInboxDocuments", "GetInboxDocument"]


@pytest.fixture
def mandate(asker, member):
    return let_in(asker, member)


@pytest.fixture
def colleague(asker):
    return UserFactory(administrator=True, environment=asker.environment)


def at(name, mandate, **values):
    return reverse(name, kwargs={"organisation": mandate.organisation.organisation_id, **values})


def overview(mandate):
    return at("connections:overview-of", mandate)


# Who gets in


def test_the_asker_reaches_the_organisation_from_the_acceptance_to_the_end(
    browser_of, asker, member
):
    browser = browser_of(asker)
    url = at("connections:overview-of", type("Place", (), {"organisation": member.organisation}))
    statuses = [browser.get(url).status_code]
    mandate = let_in(asker, member)
    statuses.append(browser.get(url).status_code)

    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    assert [*statuses, browser.get(url).status_code] == [404, 200, 404]


def test_a_pending_request_opens_nothing(browser_of, asker, asked, member):
    assert browser_of(asker).get(member.organisation.get_absolute_url()).status_code == 404


def test_colleagues_of_the_asker_read_the_whole_checklist(browser_of, mandate, asker):
    colleague = UserFactory(role=Role.BASIC, environment=asker.environment)

    answer = browser_of(colleague).get(overview(mandate))

    assert answer.status_code == 403
    assert [line.ok for line in answer.context["lines"]] == [True, False, False]


@pytest.mark.parametrize("name", names("organisation"))
def test_colleagues_of_the_asker_are_stopped_at_every_page(browser_of, mandate, colleague, name):
    connect(mandate.organisation.memberships.first().user, mandate.organisation)
    anything = dict.fromkeys(["uuid", "job", "connection"], uuid.uuid4())
    values = {"number": 1, "app": AppFactory().pk, "other": 1, **anything}
    chosen = {key: values[key] for key in OUR_VIEWS[name][1] if key in values}

    for method in ("get", "post"):
        answer = getattr(browser_of(colleague), method)(at(name, mandate, **chosen))
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "name",
    [n for n in names("organisation") if OUR_VIEWS[n][0].gate.permission not in OPEN_TO_PARTNERS],
)
def test_pages_of_the_clients_own_people_are_closed_even_to_an_administrator_who_is_in(
    browser_of, mandate, colleague, name
):
    services.assign(mandate=mandate, users=[colleague], by=colleague)

    for method in ("get", "post"):
        answer = getattr(browser_of(colleague), method)(at(name, mandate))
        assert answer.status_code == 403
        assert "Only people of" in answer.text


def test_strangers_hear_404_and_the_mandate_of_another_accountant_does_not_help(
    browser_of, mandate
):
    other = let_in()
    stranger = other.requests.get().asked_by

    assert browser_of(stranger).get(overview(mandate)).status_code == 404
    assert not Organisation.objects.reachable_by(stranger).filter(pk=mandate.organisation_id)


def test_people_who_are_assigned_come_in_and_who_is_taken_out_does_not(
    browser_of, mandate, asker, colleague, member
):
    services.assign(mandate=mandate, users=[asker, colleague], by=colleague)
    services.remove_person(mandate=mandate, user=asker, by=member.user)

    answers = [browser_of(user).get(overview(mandate)).status_code for user in (asker, colleague)]

    assert answers == [403, 200]


def test_the_client_does_not_reach_the_accountant(browser_of, mandate, asker, member):
    theirs = MembershipFactory(organisation__environment=asker.environment).organisation

    assert browser_of(member.user).get(theirs.get_absolute_url()).status_code == 404


def test_a_membership_without_a_mandate_opens_nothing(browser_of, asker, member):
    MembershipFactory(organisation=member.organisation, user=asker)

    assert browser_of(asker).get(member.organisation.get_absolute_url()).status_code == 404
    with pytest.raises(connections.OutOfReach):
        connect(asker, member.organisation)


# What the keys of the accountant open


@pytest.mark.parametrize("access", Access)
def test_keys_of_the_accountant_never_do_what_the_client_does_not_allow(asker, member, access):
    mandate = let_in(asker, member, functions=["GetInboxDocuments"])
    connection, pair = connect(asker, mandate.organisation, access=access, functions=ALL)

    software = Software(pair, connection.organisation)

    assert software.get("/inbox").status_code == 200
    refused = [software.get("/outbox"), software.send(invoice())]
    assert [answer.status_code for answer in refused] == [403, 403]


def test_what_the_client_narrows_holds_from_the_next_call(mandate, asker, member):
    connection, pair = connect(asker, mandate.organisation)
    software = Software(pair, connection.organisation)
    before = software.get("/outbox").status_code

    services.change_functions(mandate=mandate, functions=["GetInboxDocuments"], by=member.user)

    assert (before, software.get("/outbox").status_code) == (200, 403)
    assert software.get("/outbox").json()["reason"] == "partnership"
    assert software.get("/inbox").status_code == 200


def test_what_the_client_narrows_leaves_its_own_keys_alone(mandate, member):
    connection, pair = connect(member.user, mandate.organisation)

    services.change_functions(mandate=mandate, functions=["GetInboxDocuments"], by=member.user)

    assert Software(pair, connection.organisation).get("/outbox").status_code == 200


@pytest.mark.parametrize("blocked", ["accountant", "client"])
def test_keys_of_a_blocked_side_stop(mandate, asker, member, blocked):
    _own, own_pair = connect(member.user, mandate.organisation)
    _made, pair = connect(asker, mandate.organisation)
    environment = (asker if blocked == "accountant" else member.user).environment
    environment.blocked_at = timezone.now()
    environment.save()

    answers = [Software(p, mandate.organisation).me() for p in (pair, own_pair)]

    assert answers[0].status_code == 403
    assert answers[1].status_code == (200 if blocked == "accountant" else 403)


def test_after_the_end_the_accountants_keys_are_dead_and_the_clients_live(mandate, asker, member):
    _own, own_pair = connect(member.user, mandate.organisation)
    _made, pair = connect(asker, mandate.organisation)

    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    answers = [Software(p, mandate.organisation).me().status_code for p in (pair, own_pair)]
    assert answers == [401, 200]


# Whose connections are whose


@pytest.fixture
def own(mandate, member):
    """A connection that the client made itself."""
    return connect(member.user, mandate.organisation)[0]


CHANGES = {
    "new-keys": lambda c, by: connections.create_new_keys(connection=c, by=by, op_id=uuid.uuid4()),
    "accesses": lambda c, by: connections.change_accesses(
        connection=c, access=Access.OWNERS, by=by
    ),
    "revoke": lambda c, by: connections.revoke(connection=c, by=by),
    "delete": lambda c, by: connections.delete(connection=c, by=by),
    "take-over": lambda c, by: connections.take_over(connection=c, by=by, op_id=uuid.uuid4()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_accountant_changes_nothing_of_the_client(browser_of, own, mandate, colleague, name):
    services.assign(mandate=mandate, users=[colleague], by=colleague)

    for method in ("get", "post"):
        browser = browser_of(colleague)
        answer = getattr(browser, method)(own.url(name), {"op_id": uuid.uuid4()})
        assert answer.status_code == 403
    with pytest.raises(connections.NotYours):
        CHANGES[name](own, colleague)

    assert Connection.objects.live().get() == own


@pytest.mark.parametrize("name", CHANGES)
def test_one_accountant_changes_nothing_of_another(mandate, asker, member, name):
    made, _pair = connect(asker, mandate.organisation)
    other = UserFactory(administrator=True, environment__accountant=True)
    let_in(other, member)

    with pytest.raises(connections.NotYours):
        CHANGES[name](made, other)


def test_the_accountant_sees_the_clients_connections(browser_of, own, asker):
    assert browser_of(asker).get(own.get_absolute_url()).status_code == 200


def test_the_accountant_adds_no_own_app_at_the_client(browser_of, mandate, asker):
    url = at("connections:new-own-app", mandate)

    answer = browser_of(asker).post(url, {"name": "Mine", "functions": ["SendDocument"]})

    assert answer.status_code == 403
    assert not App.objects.filter(name="Mine").exists()


def test_the_client_revokes_what_the_accountant_made(browser_of, mandate, asker, member):
    made, pair = connect(asker, mandate.organisation)

    browser_of(member.user).post(made.url("revoke"))

    assert Software(pair, mandate.organisation).me().status_code == 401


def test_colleagues_who_are_in_change_each_others_connections(mandate, asker, colleague):
    made, old = connect(asker, mandate.organisation)
    services.assign(mandate=mandate, users=[asker, colleague], by=colleague)

    new = connections.create_new_keys(connection=made, by=colleague, op_id=uuid.uuid4())

    works = [Software(pair, mandate.organisation).me().status_code for pair in (old, new)]
    assert works == [401, 200]


def taken_out(asker, colleague, mandate):
    services.assign(mandate=mandate, users=[colleague], by=colleague)


def lowered(asker, colleague, mandate):
    accounts.change_role(user=asker, role=Role.BASIC, by=colleague)


def blocked(asker, colleague, mandate):
    accounts.block(user=asker, by=colleague)


def removed(asker, colleague, mandate):
    accounts.remove(user=asker, by=colleague)


@pytest.mark.parametrize("loss", [taken_out, lowered, blocked, removed])
def test_an_owner_who_may_not_own_any_more_suspends_until_a_colleague_takes_over(
    mandate, asker, colleague, loss
):
    made, old = connect(asker, mandate.organisation)
    services.assign(mandate=mandate, users=[asker, colleague], by=colleague)

    loss(asker, colleague, mandate)

    made = Connection.objects.for_list().get()
    assert (made.status, Software(old, mandate.organisation).me().status_code) == ("suspended", 403)
    new = connections.take_over(connection=made, by=colleague, op_id=uuid.uuid4())
    made = Connection.objects.for_list().get()
    assert (made.owner, made.mandate, made.status) == (colleague, mandate, "never_used")
    assert Software(new, mandate.organisation).me().status_code == 200


def test_an_owner_who_is_let_in_again_has_the_connections_back(mandate, asker, colleague):
    _made, pair = connect(asker, mandate.organisation)
    works = []
    for users in ([], [asker]):
        services.assign(mandate=mandate, users=users, by=colleague)
        works.append(Software(pair, mandate.organisation).me().status_code)

    assert works == [403, 200]


def test_the_client_may_take_over_what_the_accountant_lost(mandate, asker, colleague, member):
    made, _pair = connect(asker, mandate.organisation)
    services.assign(mandate=mandate, users=[], by=colleague)

    connections.take_over(connection=made, by=member.user, op_id=uuid.uuid4())
    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    assert Connection.objects.live().get().mandate is None  # it is the client's own now


# Invoices


@pytest.mark.parametrize(
    ("allowed", "received", "sent"),
    [
        (["GetInboxDocuments", "GetInboxDocument"], 200, 403),
        (["GetOutboxDocuments", "GetOutboxDocument"], 403, 200),
        (["SendDocument"], 403, 403),
    ],
)
def test_invoices_are_shown_as_far_as_the_functions_go(
    browser_of, asker, member, allowed, received, sent
):
    organisation_at(CUSTOMER)
    mine, _pair = connect(member.user, member.organisation)
    member.organisation.addresses.create(value="0088:7300010000001")
    document, _new = invoices.send(xml=invoice(company=""), through=mine)
    mandate = let_in(asker, member, functions=allowed)
    browser = browser_of(asker)

    lists = [browser.get(at(f"invoices:{box}-of", mandate)) for box in ("received", "sent")]
    pages = [
        browser.get(at(f"invoices:{p}", mandate, uuid=document.uuid)) for p in ("invoice", "xml")
    ]

    assert [answer.status_code for answer in lists] == [received, sent]
    shown = 200 if "GetOutboxDocument" in allowed else 404
    assert [answer.status_code for answer in pages] == [shown, shown]


def test_lists_over_all_organisations_leave_out_what_is_not_allowed(browser_of, asker, member):
    organisation_at(CUSTOMER)
    mine, _pair = connect(member.user, member.organisation)
    member.organisation.addresses.create(value="0088:7300010000001")
    invoices.send(xml=invoice(company=""), through=mine)
    let_in(asker, member, functions=["GetInboxDocuments"])
    let_in(asker, functions=["GetOutboxDocuments"])
    let_in(asker, functions=["GetOutboxDocuments"])

    page = browser_of(asker).get(reverse("invoices:sent"))

    assert page.status_code == 200
    assert page.context["page"].rows == []


def test_only_what_is_allowed_is_offered_again(browser_of, asker, member):
    mandate = let_in(asker, member, functions=["SendDocument"])

    answer = browser_of(asker).post(at("invoices:reoffer", mandate), {"everything": "1"})

    assert answer.status_code == 403


def test_what_a_membership_of_the_past_gave_is_gone_with_the_end(mandate, asker, member):
    connections.end_partnership(partnership=mandate.partnership, by=member.user)

    assert not Membership.objects.filter(user=asker).exists()
    assert connections.accesses_of(asker, mandate.organisation) == frozenset()


def test_a_blocked_accountancy_sees_no_client(browser_of, asker, member):
    mandate = let_in(asker, member)
    Environment.objects.filter(pk=asker.environment_id).update(blocked_at=timezone.now())
    of_client = mandate.organisation.organisation_id

    pages = [
        browser_of(asker).get(reverse(name, args=[of_client])).status_code
        for name in ("connections:overview-of", "invoices:received-of", "accounts:organisation")
    ]

    assert pages == [403] * 3


def test_an_accountancy_that_lost_its_right_is_not_let_in(asker, member):
    asked = ask(asker, member)
    Environment.objects.filter(pk=asker.environment_id).update(accountant_right=False)

    with pytest.raises(refusals.AccountantBlocked):
        services.accept(request=asked, functions=asked.functions, by=member.user)


def test_an_accountant_offers_invoices_again_to_its_own_connections_alone(asker, member):
    mandate = let_in(asker, member)
    own, _pair = connect(member.user)
    theirs, _pair = connect(asker, mandate.organisation)

    offered = [
        reoffers.connections_to_offer(mandate.organisation, by) for by in (asker, member.user)
    ]

    assert offered == [[theirs], [own, theirs]]
