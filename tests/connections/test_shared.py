"""One connection for several clients of an accountant: each has its own say, none learns of others (R15)."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from connections import services
from connections.invoices.models import Invoice
from connections.models import Connection, Kind
from partners.models import Partnership
from tests.browsing import session_of
from tests.factories import (
    AppFactory,
    MembershipFactory,
    UserFactory,
    connect,
    let_in,
    organisation_at,
)
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = pytest.mark.django_db
NAMES = ["Bakery Alder", "Smithy Birch", "Mill Cedar", "Dairy Elder", "Brewery Fir"]
FIRST, FURTHER = 0, 2
NOT_COVERED = 403, "ERRGRP3000006"


@pytest.fixture
def clients(settings):
    """The administrators of five clients, each a place."""
    settings.EMAIL_BACKEND = "accounts.mail.backend.OutboxBackend"
    settings.REQUEST_MAILS_PER_ADDRESS_AND_DAY = 1_000_000
    return [
        MembershipFactory(
            user__administrator=True,
            user__first_name="Admin",
            user__last_name=f"of {name}",
            organisation=organisation_at(
                f"0088:000000000000{number}", name=name, environment__name=f"{name} Holding"
            ),
        )
        for number, name in enumerate(NAMES)
    ]


@pytest.fixture
def owner(clients):
    """The accountant, let in by all of them."""
    owner = UserFactory(advanced=True, environment__accountant=True, environment__name="Ledger")
    for client in clients:
        let_in(owner, client)
    return owner


@pytest.fixture
def shared(owner, clients):
    """One connection for all five, and its keys."""
    connection, pair = connect(owner, clients[0].organisation, administration="adm-0")
    for number, client in enumerate(clients[1:], 1):
        add(connection, client.organisation, owner, administration=f"adm-{number}")
    return connection, pair


def add(connection, organisation, by, **values):
    services.add_organisation(
        connection=connection, organisation=organisation, confirmed=True, by=by, **values
    )


def remove(connection, organisation, by):
    services.remove_organisation(connection=connection, organisation=organisation, by=by)


def heard(pair, client):
    """What the software of the keys hears about the client's inbox: its status, and the code of a refusal."""
    answer = Software(pair, client.organisation).get("/inbox")
    return answer.status_code, answer.json().get("code", "")


def end_partnership(client, owner, by=None):
    partnership = Partnership.objects.get(
        accountant=owner.environment, client=client.user.environment
    )
    services.end_partnership(partnership=partnership, by=by or client.user)


def browser_of(user):
    browser = Client()
    browser.cookies["sessionid"] = session_of(user)
    return browser


def listed(connection):
    return Connection.objects.for_list().get(pk=connection.pk)


def goes_on_for_the_others(pair, clients, gone):
    others = [client for client in clients if client != gone]
    assert [heard(pair, client) for client in others] == [(200, "")] * len(others)
    assert heard(pair, gone) == NOT_COVERED


# One leaves, four go on


@pytest.mark.parametrize("which", [FIRST, FURTHER])
@pytest.mark.parametrize("side", ["client", "accountant"])
def test_one_partnership_ends_and_the_other_four_go_on(shared, owner, clients, which, side):
    gone = clients[which]

    end_partnership(gone, owner, by=gone.user if side == "client" else owner)

    goes_on_for_the_others(shared[1], clients, gone)
    me = Software(shared[1], gone.organisation).me().json()
    assert sorted(it["name"] for it in me["organisations"]) == sorted(
        client.organisation.name for client in clients if client != gone
    )


@pytest.mark.parametrize("order", [range(5), reversed(range(5)), [2, 0, 4, 1, 3]])
def test_when_the_last_partnership_ends_the_connection_is_revoked(shared, owner, clients, order):
    for which in order:
        end_partnership(clients[which], owner)

    answer = Software(shared[1], clients[0].organisation).me()
    assert (answer.status_code, answer.json()["reason"]) == (401, "revoked")
    assert listed(shared[0]).is_revoked


@pytest.mark.parametrize("which", [FIRST, FURTHER])
def test_a_client_stops_it_for_its_own_organisation_only(shared, clients, which):
    gone = clients[which]

    remove(shared[0], gone.organisation, gone.user)

    goes_on_for_the_others(shared[1], clients, gone)


@pytest.mark.parametrize("which", [FIRST, FURTHER])
def test_a_client_stops_it_on_the_page(shared, clients, which):
    gone = clients[which]
    address = reverse("connections:leave", args=[gone.organisation.organisation_id, shared[0].uuid])
    browser = browser_of(gone.user)

    assert browser.get(address).status_code == 200
    assert browser.post(address).status_code == 302

    goes_on_for_the_others(shared[1], clients, gone)
    assert browser.get(address).status_code == 404


def test_a_client_does_not_stop_it_for_another_one(shared, clients):
    with pytest.raises(services.NotYours):
        remove(shared[0], clients[1].organisation, clients[2].user)

    address = reverse(
        "connections:leave", args=[clients[1].organisation.organisation_id, shared[0].uuid]
    )
    assert browser_of(clients[2].user).post(address).status_code == 404
    assert heard(shared[1], clients[1]) == (200, "")


def test_the_only_organisation_is_not_removed(owner, clients):
    connection, pair = connect(owner, clients[0].organisation)

    with pytest.raises(services.LastOrganisation):
        remove(connection, clients[0].organisation, clients[0].user)

    assert heard(pair, clients[0]) == (200, "")


def test_who_takes_the_first_place_keeps_its_own_administration(shared, clients):
    remove(shared[0], clients[0].organisation, clients[0].user)

    connection = listed(shared[0])
    assert connection.organisation == clients[1].organisation
    assert connection.administration == "adm-1"
    assert connection.mandate.organisation == clients[1].organisation
    assert connection.further.count() == 3


def test_it_can_be_used_for_the_client_again_when_the_partnership_is_renewed(
    shared, owner, clients
):
    end_partnership(clients[0], owner)
    let_in(owner, clients[0])
    again = heard(shared[1], clients[0])

    add(listed(shared[0]), clients[0].organisation, owner)

    assert again == NOT_COVERED
    assert heard(shared[1], clients[0]) == (200, "")


# Its invoices


@pytest.mark.parametrize("which", [FIRST, FURTHER])
@pytest.mark.parametrize("way", ["end", "leave"])
def test_what_waited_for_it_is_not_offered_any_more_and_the_others_still_wait(
    shared, owner, clients, which, way
):
    seller, keys = connect(organisation=organisation_at("0088:7300010000001"))
    software = Software(keys, seller.organisation)
    for client in clients:
        customer = client.organisation.addresses.get().value
        number = f"for {client.organisation.name}"
        assert (
            software.send(invoice(number=number, customer=customer, company="")).status_code == 201
        )
    gone = clients[which]

    if way == "end":
        end_partnership(gone, owner)
    else:
        remove(shared[0], gone.organisation, gone.user)

    for client in clients:
        received = Invoice.objects.received_by(client.organisation).get()
        page = browser_of(client.user).get(
            reverse("invoices:invoice", args=[client.organisation.organisation_id, received.uuid])
        )
        says_so = "Not offered" in page.text
        assert says_so == (client == gone)
        if client != gone:
            items = Software(shared[1], client.organisation).get("/inbox", delivery="ready")
            assert [item["number"] for item in items.json()["items"]] == [received.number]


def test_a_document_on_its_way_is_not_sent_for_who_left_meanwhile(shared, clients):
    """A call that was let in, whose slow body ends after the client has stopped it."""
    for gone in (clients[FURTHER], clients[FIRST]):
        software = SlowSoftware(
            shared[1], gone, lambda gone=gone: remove(shared[0], gone.organisation, gone.user)
        )
        customer = organisation_at(f"0088:{uuid.uuid4().hex[:13]}").addresses.get().value
        supplier = gone.organisation.addresses.get().value

        answer = software.send(invoice(supplier=supplier, customer=customer, company=""))

        assert (answer.status_code, answer.json()["code"]) == NOT_COVERED
        assert not Invoice.objects.sent_by(gone.organisation).exists()


@pytest.mark.parametrize("which", [FIRST, FURTHER])
def test_what_software_reports_for_who_left_meanwhile_is_kept_nowhere(shared, clients, which):
    gone = clients[which]
    software = SlowSoftware(
        shared[1], gone, lambda: remove(shared[0], gone.organisation, gone.user)
    )

    answer = software.put("/administration", '{"name": "told for who left"}')

    assert (answer.status_code, answer.json()["code"]) == NOT_COVERED
    assert {place.reported for place in services.places_of(shared[0])} == {""}


def test_what_software_reports_for_who_moved_to_the_first_place_meanwhile_is_kept_there(
    shared, clients
):
    first, heir = clients[:2]
    software = SlowSoftware(
        shared[1], heir, lambda: remove(shared[0], first.organisation, first.user)
    )

    answer = software.put("/administration", '{"name": "told for the heir"}')

    assert answer.status_code == 200
    assert listed(shared[0]).reported == "told for the heir"


class SlowSoftware(Software):
    """Something happens after its call was let in, before the portal has read the body."""

    def __init__(self, pair, client, happens):
        super().__init__(pair, client.organisation)
        self.client.handler = Interrupted(self.client.handler, happens)


class Late:
    """A body before whose first byte something happens."""

    def __init__(self, body, happens):
        self.body, self.happens = body, happens

    def read(self, *args):
        happens, self.happens = self.happens, lambda: None
        happens()
        return self.body.read(*args)

    def __getattr__(self, name):
        return getattr(self.body, name)


class Interrupted:
    """The handler of a test client whose requests have a body that ends late."""

    def __init__(self, handler, happens):
        self.handler, self.happens = handler, happens

    def __call__(self, environ):
        return self.handler(environ | {"wsgi.input": Late(environ["wsgi.input"], self.happens)})


# What another one typed


def test_a_second_connection_beside_an_administration_that_only_the_software_told_is_refused(
    owner, clients
):
    connection, _pair = connect(owner, clients[0].organisation)
    services.report_administration(
        connection=connection, organisation=connection.organisation, name="told"
    )

    with pytest.raises(services.AlreadyConnected):
        connect(owner, clients[0].organisation, connection.app)


def test_who_takes_the_first_place_never_meets_a_connection_of_its_own(owner, clients):
    first, heir = clients[:2]
    connection, pair = connect(owner, first.organisation)
    add(connection, heir.organisation, owner)
    further = services.places_of(connection)[1]
    services.report_administration(
        connection=connection, organisation=further.organisation, name="told"
    )
    with pytest.raises(services.AlreadyConnected):
        connect(heir.user, heir.organisation, connection.app)

    end_partnership(first, owner)

    assert heard(pair, heir) == (200, "")


# What people of one client see


def others_of(client, clients):
    names = [other.organisation.name for other in clients if other != client]
    ids = [other.organisation.organisation_id for other in clients if other != client]
    return [*names, *ids, *(f"adm-{n}" for n, other in enumerate(clients) if other != client)]


def pages_of(client, connection):
    """The addresses at which somebody of the client may meet the connection."""
    organisation = client.organisation.organisation_id
    found = [
        reverse("home"),
        reverse("connections:overview"),
        reverse("connections:overview-of", args=[organisation]),
        reverse("accounts:activity"),
        reverse("partners:partners"),
        reverse("accounts:organisation", args=[organisation]),
        reverse("invoices:received-of", args=[organisation]),
    ]
    if not connection.is_revoked:
        found.append(reverse("connections:leave", args=[organisation, connection.uuid]))
    if connection.organisation == client.organisation:
        found += [connection.url("connection"), connection.url("test")]
    return found


def moves_of(shared, owner, clients):
    """Everything that leaves a trace."""
    connection, pair = shared
    for client in clients:
        Software(pair, client.organisation).get("/inbox")
        Software(pair, client.organisation).put(
            "/administration", f'{{"name": "told for {client.organisation.name}"}}'
        )
        Software(pair, client.organisation).get("/nothing")
    services.pause(connection=connection, by=owner)
    heard(pair, clients[1])
    services.resume(connection=connection, by=owner)
    services.rotate(connection=connection, overlap=24, by=owner, op_id=uuid.uuid4())
    services.end_older(connection=connection, by=owner)
    services.create_new_keys(connection=connection, by=owner, op_id=uuid.uuid4())
    heard(pair, clients[3])


def sees_nothing_of_the_others(client, clients, connection):
    browser = browser_of(client.user)
    words = others_of(client, clients)
    for address in pages_of(client, connection):
        page = browser.get(address)
        assert page.status_code == 200, address
        assert [word for word in words if word in page.text] == [], address
    mails = Mail.objects.filter(to=client.user.email)
    assert [w for w in words for mail in mails if w in mail.subject + mail.body] == []
    events = Event.objects.of(client.user.environment)
    told = " ".join(f"{it.subject_name} {it.details} {it.organisation}" for it in events)
    assert [word for word in words if word in told] == []


def test_nobody_of_a_client_sees_a_name_of_the_others(shared, owner, clients):
    moves_of(shared, owner, clients)

    for client in clients:
        sees_nothing_of_the_others(client, clients, listed(shared[0]))


@pytest.mark.parametrize("which", [FIRST, FURTHER])
def test_nor_when_one_of_them_has_left(shared, owner, clients, which):
    moves_of(shared, owner, clients)
    gone = clients[which]
    end_partnership(gone, owner)

    for client in clients:
        if client != gone:
            sees_nothing_of_the_others(client, clients, listed(shared[0]))


def test_nor_when_it_is_revoked(shared, owner, clients):
    moves_of(shared, owner, clients)
    services.revoke(connection=shared[0], by=owner)

    sees_nothing_of_the_others(clients[0], clients, listed(shared[0]))
    assert "no longer connected" in Mail.objects.filter(to=clients[0].user.email).last().subject


def test_what_was_wrong_with_a_document_of_another_client_is_the_makers_to_read(
    shared, owner, clients
):
    connection, pair = shared
    supplier = clients[FURTHER].organisation.addresses.get().value
    document = invoice(supplier=supplier, customer="0088:7300010000999", company="")
    refused = Software(pair, clients[FURTHER].organisation).send(document).json()
    address = reverse("connections:request"), {"id": refused["request_id"]}

    assert "0088:7300010000999" in browser_of(owner).get(*address).text
    for client in clients:
        assert "0088:7300010000999" not in browser_of(client.user).get(*address).text


@pytest.mark.parametrize("which", [FIRST, FURTHER])
def test_only_who_left_reads_in_the_log_that_it_was_removed(shared, clients, which):
    gone = clients[which]

    remove(shared[0], gone.organisation, gone.user)

    told = Event.objects.filter(action=Action.CONNECTION_NARROWED)
    sides = {shared[0].owner.environment, gone.user.environment}
    assert {event.environment for event in told} == sides
    assert {event.organisation for event in told} == {gone.organisation}


# It is the makers' to change


MOVES = {
    "create_new_keys": lambda **who: services.create_new_keys(op_id=uuid.uuid4(), **who),
    "rotate": lambda **who: services.rotate(overlap=24, op_id=uuid.uuid4(), **who),
    "revoke": services.revoke,
    "take_over": lambda **who: services.take_over(op_id=uuid.uuid4(), **who),
    "pause": services.pause,
    "resume": services.resume,
    "end_older": services.end_older,
    "change_end": lambda **who: services.change_end(ends_at=None, **who),
    "delete": services.delete,
    "change_accesses": lambda **who: services.change_accesses(access="all", **who),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(
    ("which", "refusal"), [(FIRST, services.NotYours), (FURTHER, services.OutOfReach)]
)
def test_no_client_changes_what_is_used_for_others_too(shared, clients, move, which, refusal):
    events = Event.objects.count()

    with pytest.raises(refusal):
        MOVES[move](connection=shared[0], by=clients[which].user)

    goes_on = [heard(shared[1], client) for client in clients]
    assert goes_on == [(200, "")] * len(clients)
    assert Event.objects.exclude(action=Action.CONNECTION_USED).count() == events


PAGES = ["new-keys", "rotate", "revoke", "take-over", "accesses", "expiry", "delete"]


@pytest.mark.parametrize("page", [*PAGES, "pause", "resume", "end-older", "add-organisation"])
@pytest.mark.parametrize(("which", "status"), [(FIRST, 403), (FURTHER, 404)])
def test_nor_on_a_page(shared, clients, page, which, status):
    browser = browser_of(clients[which].user)
    posted = {"op_id": uuid.uuid4(), "overlap": 24, "reason": "planned", "owner": 1}

    answer = browser.post(shared[0].url(page), posted)

    assert answer.status_code == status
    assert heard(shared[1], clients[which]) == (200, "")


def test_what_is_used_for_one_client_again_is_that_clients_to_change_too(shared, clients):
    for client in clients[1:]:
        remove(shared[0], client.organisation, client.user)

    services.revoke(connection=shared[0], by=clients[0].user)

    assert heard(shared[1], clients[0]) == (401, "ERRIAU6000007")


# What may be added


def test_only_the_owner_adds(shared, owner, clients):
    colleague = UserFactory(administrator=True, environment=owner.environment)
    MembershipFactory(user=colleague, organisation=clients[0].organisation)
    sixth = MembershipFactory(user__administrator=True)
    let_in(colleague, sixth)

    with pytest.raises(services.NotTheOwner):
        add(shared[0], sixth.organisation, colleague)
    with pytest.raises(services.OutOfReach):
        add(shared[0], sixth.organisation, owner)


def test_each_is_added_once_with_an_administration_of_its_own(shared, owner, clients):
    sixth = MembershipFactory(user__administrator=True)
    let_in(owner, sixth)

    with pytest.raises(services.AddedAlready):
        add(shared[0], clients[2].organisation, owner)
    with pytest.raises(services.SameAdministration):
        add(shared[0], sixth.organisation, owner, administration="ADM-3")


def test_an_own_app_and_autopilot_are_not_shared(owner, clients):
    home = MembershipFactory(user=owner, organisation__environment=owner.environment)
    own, _pair = connect(owner, home.organisation, AppFactory(environment=owner.environment))
    with pytest.raises(services.NotUsableThere):
        add(own, clients[0].organisation, owner)

    Connection.objects.filter(pk=own.pk).update(kind=Kind.AUTOPILOT)
    with pytest.raises(services.WithoutKeys):
        add(own, clients[0].organisation, owner)
