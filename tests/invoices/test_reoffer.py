"""Re-offer to API: what was not retrieved, or got lost, is put before the software again (R50)."""

import pytest

from accounts.events.models import Action, Event
from connections import services as connections
from connections.invoices import reoffers, services
from connections.invoices.deliveries import add_delivery
from connections.invoices.models import Delivery, Invoice, Offer
from connections.models import Access
from tests.factories import connect
from tests.invoices.documents import invoice
from tests.software import Software

pytestmark = pytest.mark.django_db


def send(seller, number="A", **values):
    return services.send(xml=invoice(number=number, **values), through=seller)[0]


def reoffer(connection, *, to=None):
    """Everything, to all connections of the organisation."""
    return reoffers.reoffer(
        invoices=Invoice.objects.all(),
        organisation=connection.organisation,
        connections=to or connection.organisation.connections.all(),
        by=connection.owner,
    )


def delivery(invoice):
    add_delivery([invoice])
    return invoice.delivery


def ready(software):
    return [item["number"] for item in software.get("/inbox", delivery="ready").json()["items"]]


def test_the_next_connection_gets_what_the_revoked_one_left(seller, buyer):
    sent = send(seller)
    connections.revoke(connection=buyer, by=buyer.owner)
    again = Software(connect(buyer.owner, app=buyer.app)[1], buyer.organisation)
    before = ready(again)

    reoffer(buyer)

    assert (before, ready(again)) == ([], ["A"])
    assert again.confirm(sent.uuid).status_code == 200
    assert (ready(again), delivery(sent)) == ([], Delivery.RETRIEVED)


def test_what_was_retrieved_is_ready_again(seller, buyer):
    sent = send(seller)
    services.confirm(invoice=sent, through=buyer)

    reoffer(buyer)

    assert delivery(sent) == Delivery.READY
    assert Offer.objects.get().offered_by == buyer.owner


def test_the_states_of_delivery(seller, buyer):
    ready_one, retrieved, failed = (
        send(seller, "A"),
        send(seller, "B"),
        send(seller, "C", customer="0192:1"),
    )
    services.confirm(invoice=retrieved, through=buyer)
    states = [delivery(it) for it in (ready_one, retrieved, failed)]
    connections.revoke(connection=buyer, by=buyer.owner)

    assert states == [Delivery.READY, Delivery.RETRIEVED, Delivery.NOT_OFFERED]
    assert [delivery(it) for it in (ready_one, retrieved)] == [
        Delivery.NOT_OFFERED,
        Delivery.RETRIEVED,
    ]
    for state in Delivery:
        found = Invoice.objects.received_by(buyer.organisation).in_delivery(state)
        assert [delivery(it) for it in found] == [state] * len(found)


def test_every_live_connection_that_may_fetch_is_offered_it(seller, buyer):
    send(seller)
    connections.revoke(connection=buyer, by=buyer.owner)
    may = [connect(buyer.owner, name=name)[0] for name in ("One", "Two")]
    connect(buyer.owner, access=Access.CHOSEN, functions=["GetInboxDocuments"])

    done = reoffer(buyer)

    assert (done.number, list(done.connections.order_by("pk"))) == (1, may)
    assert list(
        Offer.objects.ready().to_live_connections().values_list("connection", flat=True)
    ) == [connection.pk for connection in may]


def test_sent_ones_and_those_of_others_are_left_alone(seller, buyer):
    send(seller)
    send(seller, "B", customer="0192:1")

    done = reoffer(seller)

    assert [line.state for line in done.lines.all()] == ["sent", "sent"]
    assert Offer.objects.count() == 1


def test_without_software_it_is_refused_with_a_sentence(seller, buyer):
    send(seller)
    connections.revoke(connection=buyer, by=buyer.owner)

    with pytest.raises(reoffers.NothingConnected, match="Connect software first"):
        reoffer(buyer)

    assert not Event.objects.filter(action=Action.INVOICES_REOFFERED).exists()


def test_twice_is_as_good_as_once(seller, buyer):
    send(seller)

    reoffer(buyer), reoffer(buyer)

    assert Offer.objects.count() == 1


def test_one_event_says_how_many_and_to_which(seller, buyer):
    send(seller), send(seller, "B")

    reoffer(buyer)

    event = Event.objects.get(action=Action.INVOICES_REOFFERED)
    assert (event.organisation, event.actor) == (buyer.organisation, buyer.owner)
    assert event.details == {"invoices": 2, "connections": ["Bookkeeping"]}
