"""What became of an invoice, as each side is told it (R52)."""

from dataclasses import dataclass
from datetime import datetime

from connections.invoices.models import SentStatus, Status, to_sender


@dataclass(frozen=True)
class Told:
    """A line of the history: which status, since when, who or which software says so."""

    status: Status | SentStatus
    at: datetime
    by: str
    note: str


def told_to_receiver(invoice) -> list[Told]:
    """The whole history, the newest last. One query."""
    first, *later = _changes(invoice)
    return [
        Told(Status(first.status), first.at, invoice.sender_name, ""),
        *(Told(Status(it.status), it.at, it.who, it.note) for it in later),
    ]


def told_to_sender(invoice) -> list[Told]:
    """Without the people and the software of the receiver, the newest last. One query."""
    first, *later = _changes(invoice)
    return [
        Told(to_sender(first.status), first.at, first.who, ""),
        *(
            Told(to_sender(it.status), it.at, invoice.receiver_name, it.note)
            for it in later
            if it.status != Status.DOWNLOADED
        ),
    ]


def _changes(invoice):
    """The first is the arrival, which the software of the sender brought about."""
    return invoice.history.select_related("by", "through__app").order_by("pk")
