"""What the API functions about invoices take and answer."""

import uuid
from datetime import datetime
from typing import Literal

from ninja import Field, Schema

from connections.api import Listing, Moment, Plain
from connections.invoices.history import told_to_receiver, told_to_sender
from connections.invoices.models import Status, to_sender

Settable = Literal["received", "opened", "paid", "rejected"]
Received = Literal["received", "downloaded", "opened", "paid", "rejected", "duplicate"]
Sent = Literal["delivered", "opened", "paid", "rejected", "duplicate", "delivery failed"]
Delivery = Literal["not offered", "ready", "retrieved"]


class PartyOut(Schema):
    id: str | None
    name: str
    address: str


class InvoiceOut(Schema):
    id: uuid.UUID
    kind: Literal["Invoice", "CreditNote"]
    number: str
    issue_date: str
    currency: str
    total: str
    sender: PartyOut
    receiver: PartyOut
    created_at: datetime
    changed_at: datetime = Field(
        description="When its status changed last, downloads apart; lists are in this order"
    )
    sha256: str


class SentOut(InvoiceOut):
    status: Sent


class ReceivedOut(InvoiceOut):
    status: Received
    delivery: Delivery = Field(description="How far these keys are with it")


class SentPage(Schema):
    items: list[SentOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one")


class ReceivedPage(Schema):
    items: list[ReceivedOut]
    next: str | None = Field(description="The cursor of the next page; null on the last one")


class ConfirmedOut(Schema):
    id: uuid.UUID
    delivery: Literal["retrieved"]
    retrieved_at: datetime


class SentChangeOut(Schema):
    at: datetime
    status: Sent
    by: str = Field(
        description="Your connection with its package; later the organisation that received it"
    )
    note: str


class ReceivedChangeOut(Schema):
    at: datetime
    status: Received
    by: str = Field(description="The sender; later the person, or the connection with its package")
    note: str


class SentStatusOut(Schema):
    id: uuid.UUID
    status: Sent
    changed_at: datetime
    error: str | None = Field(description="Why the delivery failed: a code of the table of errors")
    history: list[SentChangeOut] = Field(description="The newest last")


class ReceivedStatusOut(Schema):
    id: uuid.UUID
    status: Received
    changed_at: datetime
    possible: list[Settable] = Field(description="What the status can be set to")
    delivery: Delivery = Field(description="How far these keys are with it")
    history: list[ReceivedChangeOut] = Field(description="The newest last")


class StatusIn(Schema):
    status: Settable
    note: Plain = Field("", max_length=500, description="The sender sees it too")


class InvoiceListing(Listing):
    created_from: Moment | None = None
    created_to: Moment | None = None
    counterparty: Plain = Field(
        "", max_length=100, description="Organisation ID or electronic address of the other side"
    )


class OutboxListing(InvoiceListing):
    status: Sent | None = None


class InboxListing(InvoiceListing):
    status: Received | None = None
    delivery: Literal["ready", "retrieved"] | None = Field(
        None,
        description="`ready`: waits for these keys. `retrieved`: confirmed with them. Without it: all",
    )


def sent(invoice) -> dict:
    """A SentOut; needs sender and receiver."""
    return {**facts(invoice), "status": invoice.sent_status}


def just_sent(invoice) -> dict:
    """A SentOut as it was on arrival, so that a repetition is answered like the first time (R48)."""
    status = Status.DUPLICATE if invoice.duplicate_of_id else Status.RECEIVED
    arrival = {"status": to_sender(status), "changed_at": invoice.created_at}
    return {**facts(invoice), **arrival}


def received(invoice) -> dict:
    """A ReceivedOut; needs sender, receiver and `add_delivery_to`."""
    return {**facts(invoice), "status": invoice.status, "delivery": _delivery(invoice)}


def sent_status(invoice, error) -> dict:
    """A SentStatusOut of a sent invoice."""
    return {
        "id": invoice.uuid,
        "status": invoice.sent_status,
        "changed_at": invoice.changed_at,
        "error": error,
        "history": told_to_sender(invoice),
    }


def received_status(invoice) -> dict:
    """A ReceivedStatusOut of a received invoice; needs `add_delivery_to`."""
    return {
        "id": invoice.uuid,
        "status": invoice.status,
        "changed_at": invoice.changed_at,
        "possible": invoice.possible,
        "delivery": _delivery(invoice),
        "history": told_to_receiver(invoice),
    }


def facts(invoice) -> dict:
    """What is the same wherever software is told of an invoice; needs sender and receiver."""
    receiver = invoice.receiver
    return {
        "id": invoice.uuid,
        "kind": invoice.kind,
        "number": invoice.number,
        "issue_date": invoice.issue_date.isoformat(),
        "currency": invoice.currency,
        "total": str(invoice.total),
        "sender": {
            "id": invoice.sender.organisation_id,
            "name": invoice.sender_name,
            "address": invoice.sender_address,
        },
        "receiver": {
            "id": receiver.organisation_id if receiver else None,
            "name": invoice.receiver_name,
            "address": invoice.receiver_address,
        },
        "created_at": invoice.created_at,
        "changed_at": invoice.changed_at,
        "sha256": invoice.sha256,
    }


def _delivery(invoice):
    return invoice.delivery.value.replace("_", " ")
