"""How far each connection of the receiver is with an invoice (R50)."""

from dataclasses import dataclass

from connections.invoices.models import Delivery, Invoice, Offer
from connections.models import Connection


@dataclass(frozen=True)
class DeliveryTo:
    """A connection that may fetch the invoice, or was offered it; without an offer it never was."""

    connection: Connection
    offer: Offer | None = None

    @property
    def state(self) -> Delivery:
        if self.offer is None:
            return Delivery.NOT_OFFERED
        if self.offer.retrieved_at:
            return Delivery.RETRIEVED
        return Delivery.NOT_OFFERED if self.connection.is_revoked else Delivery.READY


def deliveries_of(invoice: Invoice, fetching: list[Connection]) -> list[DeliveryTo]:
    """The connections `fetching` now first, then those that were offered it earlier. One query."""
    offers = invoice.offers.select_related(
        "connection__app", "connection__organisation", "offered_by"
    )
    offer_of = {offer.connection: offer for offer in offers.order_by("-offered_at", "-pk")}
    earlier = [connection for connection in offer_of if connection not in fetching]
    return [DeliveryTo(it, offer_of.get(it)) for it in (*fetching, *earlier)]
