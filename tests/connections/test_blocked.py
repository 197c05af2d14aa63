"""What support blocks: calls, pages, Autopilot, jobs and requests agree about it, and go on afterwards."""

import uuid

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import blocking
from accounts.refusals import EnvironmentBlocked
from connections import catalogue, portfolio, services
from connections.api import admitted
from connections.autopilot import pushing
from connections.callers import by_app_key
from connections.errors import ENVIRONMENT_BLOCKED, ApiError
from connections.invoices import reoffers
from connections.invoices import services as invoices
from connections.invoices.models import Invoice, Offer, Reoffer
from connections.models import Connection, FurtherOrganisation, Gateway, KeySet
from partners import imports
from partners import services as partners
from partners.models import MandateApp
from partners.refusals import CannotAnswerNow
from tests.autopilot.conftest import allow as allow
from tests.autopilot.conftest import package as package
from tests.autopilot.conftest import switched_on
from tests.connections.test_tokens import ask as ask_oauth
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
from tests.partners.conftest import _database as _database
from tests.partners.conftest import asker as asker
from tests.partners.conftest import boss as boss
from tests.partners.conftest import browser_of as browser_of
from tests.partners.conftest import member as member
from tests.partners.test_batches import started
from tests.racing import race
from tests.software import Software

OVERVIEW, CLIENTS = reverse("connections:overview"), reverse("connections:clients")


@pytest.fixture
def support():
    return UserFactory(staff=True)


@pytest.fixture
def let(asker, member):
    return let_in(asker, member)


@pytest.fixture
def made(let, asker, member):
    """A connection of the client that its accountant made."""
    return connect(asker, member.organisation, name="Of the accountant")


@pytest.fixture(params=["client", "accountancy"])
def side(request, made, asker, member):
    """Either environment at which a connection of a client hangs."""
    return (member.user if request.param == "client" else asker).environment


def block(environment):
    by = UserFactory(staff=True)
    blocking.block(environment=environment, reason="Invoices that nobody ordered.", by=by)
    return lambda: blocking.unblock(environment=environment, by=by)


def now(connection):
    return Connection.objects.for_list().get(pk=connection.pk)


def code(answer):
    return answer.json().get("code", answer.status_code)


# Calls


def calls(pair, organisation, token, gateway):
    """What every way answers that opens something: a call, a test, verify, a token, introspection."""
    software, bearer = Software(pair, organisation), Software(pair, organisation)
    bearer.authorization = f"Bearer {token}"
    verify = {"function": "GetInboxDocuments", "organisation": organisation.organisation_id}
    headers = {"Authorization": software.authorization}
    return {
        "me": software.me().status_code,
        "inbox": software.get("/inbox").status_code,
        "token's inbox": bearer.get("/inbox").status_code,
        "verify": software.client.get("/api/v1/verify", verify, headers=headers).status_code,
        "token": ask_oauth(pair).status_code,
        "introspect": ask_oauth(gateway, "/api/v1/introspect", token=token).json()["active"],
    }


def test_every_way_to_call_is_refused_and_opens_again_with_the_same_keys(made, side, support):
    connection, pair = made
    token = ask_oauth(pair).json()["access_token"]
    gateway = catalogue.create_gateway(Gateway(name="Front door"), by=support)
    before = calls(pair, connection.organisation, token, gateway)

    unblock = block(side)
    refused = calls(pair, connection.organisation, token, gateway)
    told = Software(pair, connection.organisation).me()
    unblock()

    assert set(before.values()) == {200, 204, True}
    assert refused == dict.fromkeys(before, 403) | {"token": 400, "introspect": False}
    assert code(told) == ENVIRONMENT_BLOCKED.code
    assert calls(pair, connection.organisation, token, gateway) == before


def test_the_others_of_a_partnership_work_on(made, asker, member):
    own = connect(member.user, name="Of the client")
    elsewhere = MembershipFactory(user__administrator=True)
    let_in(asker, elsewhere)
    third = connect(asker, elsewhere.organisation)

    block(asker.environment)

    codes = [Software(pair, at.organisation).me().status_code for at, pair in (made, own, third)]
    assert codes == [403, 200, 403]


def test_keys_for_several_organisations_stop_for_the_blocked_one_alone(made, asker):
    connection, pair = made
    other = MembershipFactory(user__administrator=True)
    let_in(asker, other)
    services.add_organisation(connection=connection, organisation=other.organisation, by=asker)

    block(other.organisation.environment)

    codes = [
        Software(pair, at).get("/inbox").status_code
        for at in (connection.organisation, other.organisation)
    ]
    assert codes == [200, 403]
    places = FurtherOrganisation.objects.of(connection)
    assert not places.standing().exists()
    assert places.of_blocked_sides().exists()
    assert now(connection).stands


def test_a_slow_upload_does_not_commit_after_the_block(made, side):
    connection, pair = made
    call = admitted(by_app_key(pair.app_key), None)
    block(side)

    with pytest.raises(ApiError) as refused:
        invoices.send(xml=invoice(company=""), through=connection, check=call.still_open)

    assert refused.value.error == ENVIRONMENT_BLOCKED
    assert not Invoice.objects.exists()


# Pages


def test_rows_lookups_and_status_agree(made, side):
    connection, _pair = made
    unblock = block(side)

    row = now(connection)

    found = {
        name: getattr(Connection.objects, name)().exists()
        for name in ("blocked", "stopped", "suspended", "standing", "running", "never_used")
    }
    assert (row.status, row.stands, row.is_suspended, row.opened) == (
        "blocked",
        False,
        False,
        frozenset(),
    )
    assert row.blocked == side
    assert {name for name, there in found.items() if there} == {"blocked", "stopped"}
    unblock()
    assert (now(connection).status, now(connection).blocked) == ("never_used", None)


def test_what_is_both_suspended_and_blocked_is_called_blocked(made, asker, side):
    asker.memberships.all().delete()
    unblock = block(side)
    assert now(made[0]).status == "blocked"
    unblock()
    assert now(made[0]).status == "suspended"


def test_a_client_sees_that_its_accountant_is_blocked_and_takes_over(
    browser_of, made, asker, member
):
    connection, pair = made
    visitor = browser_of(member.user)
    block(asker.environment)

    pages = {
        url: visitor.get(url).content.decode()
        for url in (
            "/",
            f"{OVERVIEW}?status=blocked",
            connection.get_absolute_url(),
            connection.url("test"),
        )
    }

    name = asker.environment.name
    assert "is blocked by support" in pages["/"]
    assert "Blocked by support" in pages[f"{OVERVIEW}?status=blocked"]
    assert f"Support blocked {name} on" in pages[connection.get_absolute_url()]
    assert connection.url("take-over") in pages[connection.get_absolute_url()]
    assert f"Support has blocked {name}." in pages[connection.url("test")]
    assert not any("nobody ordered" in page for page in pages.values())

    new = services.take_over(connection=now(connection), by=member.user, op_id=uuid.uuid4())

    assert Software(new, connection.organisation).me().status_code == 200
    assert Software(pair, connection.organisation).me().status_code == 401
    assert now(connection).status == "active"


def test_nobody_of_a_blocked_accountancy_can_be_made_the_owner(made, boss, asker, member, let):
    partners.assign(mandate=let, users=[asker, boss], by=boss)
    block(asker.environment)

    could = [user for user, _lacks in services.who_could_own(now(made[0]), member.user)]

    assert could == [member.user]
    with pytest.raises(EnvironmentBlocked):
        services.take_over(connection=now(made[0]), owner=boss, by=member.user, op_id=uuid.uuid4())


def test_an_accountant_sees_that_a_client_is_blocked(browser_of, made, asker, boss, member, let):
    partners.assign(mandate=let, users=[asker, boss], by=boss)
    connection, _pair = made
    visitor = browser_of(boss)
    block(member.user.environment)

    clients = visitor.get(CLIENTS, {"words": ""})
    pages = [
        visitor.get(url).content.decode()
        for url in (
            connection.get_absolute_url(),
            let.get_absolute_url(),
            let.partnership.get_absolute_url(),
        )
    ]

    assert clients.context["counts"] == [(portfolio.Word.BLOCKED, 2)]
    assert (
        "Blocked by support" in visitor.get(reverse("connections:clients-csv")).getvalue().decode()
    )
    assert all(f"Support blocked {member.user.environment} on" in page for page in pages)
    assert connection.url("take-over") not in pages[0]
    assert not any("nobody ordered" in page for page in pages)


@pytest.mark.parametrize("word", [portfolio.Word.BLOCKED, portfolio.Word.SUSPENDED])
def test_the_portfolio_is_filtered_by_the_word(browser_of, made, boss, member, word):
    block(member.user.environment)

    found = browser_of(boss).get(CLIENTS, {"word": word}).context["count"]

    assert found == (word == portfolio.Word.BLOCKED)


def test_a_cell_says_blocked_where_another_accountancy_is_blocked(browser_of, boss, let, member):
    other = UserFactory(advanced=True, environment__accountant=True)
    app = AppFactory()
    let_in(other, member, app=app)
    connect(other, member.organisation, app=app)
    MandateApp.objects.create(mandate=let, app=app)

    block(other.environment)

    counts = dict(browser_of(boss).get(CLIENTS, {"words": ""}).context["counts"])
    assert counts[portfolio.Word.BLOCKED] == 1


def test_pages_cost_the_same_for_one_blocked_connection_and_for_three(
    browser_of, made, asker, member
):
    visitor = browser_of(member.user)

    def cost(url):
        with CaptureQueriesContext(database) as queries:
            assert visitor.get(url).status_code == 200
        return len(queries)

    unblock = block(asker.environment)
    cost("/")  # the session is new
    one = [cost(url) for url in ("/", OVERVIEW)]
    unblock()
    for name in ("Second", "Third"):
        connect(asker, member.organisation, name=name)
    block(asker.environment)

    assert [cost(url) for url in ("/", OVERVIEW)] == one


# Nothing new


def test_no_keys_are_made_while_a_side_is_blocked(made, side, asker, boss, member):
    connection, _pair = made
    actor = member.user if side == asker.environment else asker
    block(side)

    for service in (services.create_new_keys, services.rotate):
        values = {"overlap": services.Overlap.DAY} if service == services.rotate else {}
        with pytest.raises(EnvironmentBlocked):
            service(connection=now(connection), by=actor, op_id=uuid.uuid4(), **values)
    with pytest.raises(EnvironmentBlocked):
        services.create_connection(
            organisation=member.organisation,
            app=AppFactory(),
            name="Shop",
            access="all",
            owner=asker,
            by=actor,
            op_id=uuid.uuid4(),
        )
    assert KeySet.objects.count() == 1


def test_what_only_stops_something_can_be_done_beside_a_block(made, side, asker, member):
    connection, _pair = made
    actor = member.user if side == asker.environment else asker
    block(side)

    services.pause(connection=now(connection), by=actor)
    services.revoke(connection=now(connection), by=actor)

    assert now(connection).status == "revoked"


def test_the_form_for_keys_says_why_there_are_none(browser_of, made, asker, member):
    block(member.user.environment)
    url = reverse("connections:create", args=[member.organisation.organisation_id, AppFactory().pk])
    visitor = browser_of(asker)

    assert f"Support has blocked {member.user.environment}" in visitor.get(url).content.decode()
    form = {"name": "Shop", "access": "all", "op_id": uuid.uuid4()}
    answer = visitor.post(url, form)
    assert f"Support has blocked {member.user.environment}, so" in answer.content.decode()
    assert Connection.objects.count() == 1


def test_a_blocked_environment_neither_asks_nor_is_asked(asker, member):
    unblock = block(asker.environment)
    with pytest.raises(EnvironmentBlocked):
        ask(asker, member)
    unblock()

    unblock = block(member.user.environment)
    for values in ({}, {"email": "else@example.org"}, {"registration_number": "87654321"}):
        with pytest.raises(CannotAnswerNow) as refused:
            ask(asker, member, **values)
        assert "block" not in str(refused.value)
    unblock()

    assert ask(asker, member).is_pending


def test_a_pending_request_is_not_sent_again_by_a_blocked_accountancy(asker, member):
    asked = ask(asker, member)
    block(asker.environment)

    for again in (
        lambda: partners.resend(request=asked, by=asker),
        lambda: partners.remind(by=asker),
    ):
        with pytest.raises(EnvironmentBlocked):
            again()
    with pytest.raises(partners.Refused, match="cannot be let in now"):
        partners.accept(request=asked, functions=asked.functions, by=member.user)


# Invoices, and what waits


@pytest.fixture
def seller():
    """A connection that sends to the organisation of `receiver`."""
    return connect(organisation=organisation_at("0088:7300010000001"))


@pytest.fixture
def receiver():
    """A place at the organisation that invoices reach."""
    organisation = organisation_at("0192:987654325")
    return MembershipFactory(organisation=organisation, user__administrator=True)


def arrive(seller, number):
    xml = invoice(number=number, customer="0192:987654325", company="")
    return Software(seller[1], seller[0].organisation).send(xml)


def test_a_sender_hears_at_once_that_a_blocked_receiver_is_not_reached(seller, receiver):
    unblock = block(receiver.organisation.environment)

    refused = arrive(seller, "1")
    unblock()
    again = arrive(seller, "1")

    assert (refused.status_code, refused.json()["code"]) == (422, "ERRSND4000001")
    assert again.status_code == 201
    sent = Invoice.objects.order_by("pk").values_list("status", "receiver")
    assert list(sent) == [("delivery failed", None), ("received", receiver.organisation_id)]


def test_invoices_for_keys_of_a_blocked_accountancy_wait_for_them(seller, receiver, asker):
    let_in(asker, receiver)
    connection, pair = connect(asker, receiver.organisation)
    unblock = block(asker.environment)

    arrive(seller, "1")
    unblock()

    ready = Software(pair, receiver.organisation).get("/inbox", delivery="ready").json()["items"]
    assert [item["number"] for item in ready] == ["1"]
    assert Offer.objects.get().connection == connection


@pytest.mark.parametrize("whose", ["client", "accountancy"])
def test_autopilot_pushes_nothing_and_goes_on(seller, receiver, asker, package, whose):
    let_in(asker, receiver)
    by = asker if whose == "accountancy" else receiver.user
    switched_on(receiver, package.url, by=by)
    arrive(seller, "1")
    unblock = block(by.environment)

    pushing.push_next()
    assert (pushing.make_pushes(), package.got) == (0, [])

    unblock()
    pushing.push_next()
    assert package.numbers == ["1"]


@pytest.mark.parametrize("whose", ["client", "accountancy"])
def test_a_re_offer_waits_and_goes_on(seller, receiver, asker, whose, monkeypatch):
    monkeypatch.setattr(reoffers, "RIGHT_AWAY", 0)
    let_in(asker, receiver)
    by = asker if whose == "accountancy" else receiver.user
    arrive(seller, "1")
    connection, pair = connect(by, receiver.organisation)
    reoffers.reoffer(
        invoices=Invoice.objects.all(),
        organisation=receiver.organisation,
        connections=[connection],
        by=by,
    )
    unblock = block(by.environment)

    assert reoffers.reoffer_next() == 0
    assert reoffers._offer_some(Reoffer.objects.get(), 10) == 0  # it was found a moment before
    assert Reoffer.objects.running().exists()

    unblock()
    assert reoffers.reoffer_next() == 1
    ready = Software(pair, receiver.organisation).get("/inbox", delivery="ready").json()["items"]
    assert len(ready) == 1


def test_a_file_of_requests_waits_and_goes_on(asker):
    AppFactory(name="Bookwise")
    batch = started(3, asker)
    unblock = block(asker.environment)

    assert imports.send_next() == 0
    batch.environment.blocked_at = None  # as a worker read it a moment before
    assert imports._send_share(batch, 10) == 0
    assert set(batch.lines.values_list("state", flat=True)) == {"ready"}

    unblock()
    assert imports.send_next() == 3
    assert set(batch.lines.values_list("state", flat=True)) == {"sent"}


def test_the_status_of_an_invoice_of_a_blocked_client_stays(seller, receiver, asker):
    let_in(asker, receiver)
    arrive(seller, "1")
    received = Invoice.objects.get()
    block(receiver.organisation.environment)

    for change in (
        lambda: invoices.set_status(invoice=received, status="paid", by=asker),
        lambda: invoices.mark_as_original(invoice=received, by=asker),
    ):
        with pytest.raises(EnvironmentBlocked):
            change()


# At the same instant


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_keys_made_at_the_instant_of_a_block_are_told_and_open_nothing():
    for _round in range(3):
        boss = UserFactory(administrator=True, environment__accountant=True)
        client = MembershipFactory(user__administrator=True)
        let_in(boss, client)
        connection, pair = connect(boss, client.organisation)
        support = UserFactory(staff=True)

        def stop(environment=boss.environment, by=support):
            blocking.block(environment=environment, reason="Why not.", by=by)

        def renew(connection=connection, by=boss):
            return services.create_new_keys(connection=connection, by=by, op_id=uuid.uuid4())

        def make(by=boss, organisation=client.organisation):
            return connect(by, organisation, name="Second")[1]

        stopped, new, second = race(stop, renew, make)

        assert stopped is None
        for keys in (pair, new, second):
            if not isinstance(keys, Exception):
                answer = Software(keys, client.organisation).me()
                assert answer.status_code in {401, 403}
        told = client.user.notices.get(template="environment_blocked").text
        assert ("(Second)" in told) == (not isinstance(second, Exception))
        blocking.unblock(environment=boss.environment, by=support)
        keys = pair if isinstance(new, Exception) else new
        assert Software(keys, client.organisation).me().status_code == 200


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_of_support_block_once():
    place = MembershipFactory(user__administrator=True)
    one, other = UserFactory(staff=True), UserFactory(staff=True)
    environment = place.user.environment

    ends = race(
        *(
            lambda by=by: blocking.block(environment=environment, reason="Why not.", by=by)
            for by in (one, other)
        )
    )

    assert sorted(type(end).__name__ for end in ends) == ["BlockedAlready", "NoneType"]
    assert place.user.notices.filter(template="environment_blocked").count() == 1
