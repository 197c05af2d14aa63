"""How far the software of the receiver is with invoices (R50).

Asked for the rows of a page after they are fetched: in the query itself PostgreSQL would read all offers.
"""

from dataclasses import dataclass

from connections.invoices.models import Delivery, Invoice, Offer
from connections.models import Connection
from portal.prepared import Prepared, given_list

PAGE = 50  # invoices


@dataclass(frozen=True)
class DeliveryTo:
    """A connection that may fetch the invoice, or was offered it; without an offer it never was."""

    connection: Connection
    offer: Offer | None = None

    @property
    def state(self) -> Delivery:
        if self.offer is None:
            return Delivery.NOT_OFFERED
        return _state(self.offer.retrieved_at, self.offer.is_open)


def _state(retrieved_at, is_open):
    if retrieved_at:
        return Delivery.RETRIEVED
    return Delivery.READY if is_open else Delivery.NOT_OFFERED


def deliveries_of(invoice: Invoice, fetching: list[Connection]) -> list[DeliveryTo]:
    """The connections `fetching` now first, then those that were offered it earlier. One query."""
    offers = invoice.offers.with_ways().select_related(
        "connection__app", "connection__organisation", "offered_by"
    )
    offer_of = {offer.connection: offer for offer in offers.order_by("-offered_at", "-pk")}
    earlier = [connection for connection in offer_of if connection not in fetching]
    return [DeliveryTo(it, offer_of.get(it)) for it in (*fetching, *earlier)]


def overall(states: set[Delivery]) -> Delivery:
    """Ready while a live connection has not confirmed it, then retrieved when any has."""
    told = (Delivery.READY, Delivery.RETRIEVED)
    return next((state for state in told if state in states), Delivery.NOT_OFFERED)


_OFFERS = Prepared(
    lambda: (
        Offer.objects.with_ways()
        .filter(invoice__pk__in=given_list("invoices", PAGE))
        .values_list("invoice", "retrieved_at", "is_open")
    )
)


def add_delivery(invoices: list[Invoice]) -> None:
    """Give each of at most a page its `delivery` over all connections. One query."""
    states = {invoice.pk: set() for invoice in invoices}
    for invoice, *offer in _OFFERS.rows(invoices=list(states)) if states else ():
        states[invoice].add(_state(*offer))
    for invoice in invoices:
        invoice.delivery = overall(states[invoice.pk])


def add_delivery_to(connection: Connection, invoices: list[Invoice]) -> None:
    """Give each its `delivery` to this connection, of Delivery. One query."""
    offers = Offer.objects.filter(invoice__in=invoices, connection=connection.pk)
    retrieved_at = dict(offers.values_list("invoice", "retrieved_at"))
    for invoice in invoices:
        if invoice.pk not in retrieved_at:
            invoice.delivery = Delivery.NOT_OFFERED
        else:
            invoice.delivery = Delivery.RETRIEVED if retrieved_at[invoice.pk] else Delivery.READY
