"""The API functions about invoices."""

import re
import uuid
from datetime import datetime
from typing import Literal

from django.conf import settings
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from connections import errors
from connections.api import Moment, Problem, function
from connections.errors import ApiError
from connections.invoices import services, ubl
from connections.invoices.models import Invoice
from portal.paging import BadCursor, page

router = Router()

_NOT_READ = {
    ubl.NotXml: errors.NOT_XML,
    ubl.HasDoctype: errors.DOCTYPE_REFUSED,
    ubl.ElementMissing: errors.ELEMENT_MISSING,
    ubl.NotUbl: errors.NOT_UBL,
}
_XML_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/xml": {"schema": {"type": "string"}}},
    }
}


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
    sha256: str


class SentOut(InvoiceOut):
    status: Literal["delivered", "delivery failed"]


class ReceivedOut(InvoiceOut):
    delivery: Literal["not offered", "ready", "retrieved"]


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


class Listing(Schema):
    limit: int = Field(50, ge=1, le=100)
    next: str = Field("", max_length=300, description="The cursor that the page before gave")
    created_from: Moment | None = None
    created_to: Moment | None = None


class InboxListing(Listing):
    delivery: Literal["ready", "retrieved"] | None = Field(
        None,
        description="`ready`: waits for these keys. `retrieved`: confirmed with them. Without it: all",
    )


@function(
    "SendDocument",
    router,
    document=_XML_BODY,
    response={201: SentOut, 200: SentOut, 409: Problem, 413: Problem, 422: Problem},
)
def send_document(request, organisation: str):
    """Send a UBL Invoice or CreditNote, as the body of the request, at most 10 MB.

    201: stored and delivered. 200: the same Idempotency-Key sent the same document before; this is that
    invoice. The answer comes after the invoice is safely stored, so repeat without fear when none comes.
    """
    call = request.auth
    key = _idempotency_key(request)
    try:
        invoice, new = services.send(
            xml=_body(request), through=call.connection, idempotency_key=key, check=call.still_open
        )
    except ubl.NotUbl as wrong:
        raise ApiError(_NOT_READ[type(wrong)], details=str(wrong)) from None
    except services.WrongSender:
        raise ApiError(errors.WRONG_SENDER) from None
    except services.NumberUsed as used:
        raise ApiError(errors.NUMBER_USED, used_on=used.used_on.isoformat()) from None
    except services.SendingOff:
        raise ApiError(errors.SENDING_OFF) from None
    except services.KeyReused:
        raise ApiError(errors.IDEMPOTENCY_KEY_REUSED) from None
    if not invoice.delivered:
        raise ApiError(
            errors.RECEIVER_UNKNOWN, id=str(invoice.uuid), receiver=invoice.receiver_address
        )
    return Status(201 if new else 200, _sent(invoice))


@function("GetOutboxDocuments", router, response={200: SentPage, 422: Problem})
def outbox(request, organisation: str, listing: Query[Listing]):
    """Sent invoices, the newest last."""
    invoices = Invoice.objects.sent_by(request.auth.organisation).select_related(
        "sender", "receiver"
    )
    rows, cursor = _listed(invoices, listing)
    return {"items": [_sent(invoice) for invoice in rows], "next": cursor}


@function("GetInboxDocuments", router, response={200: ReceivedPage, 422: Problem})
def inbox(request, organisation: str, listing: Query[InboxListing]):
    """Received invoices, the newest last. Listing never counts as retrieval."""
    call = request.auth
    invoices = Invoice.objects.received_by(call.organisation)
    if listing.delivery == "ready":
        invoices = invoices.ready_for(call.connection)
    elif listing.delivery == "retrieved":
        invoices = invoices.retrieved_by(call.connection)
    invoices = invoices.with_delivery_to(call.connection).select_related("sender", "receiver")
    rows, cursor = _listed(invoices, listing)
    return {"items": [_received(invoice) for invoice in rows], "next": cursor}


@function("GetInboxDocument", router, response={200: None, 404: Problem})
def inbox_document(request, organisation: str, id: str):
    """The invoice itself, byte for byte as it was sent. Reading does not count as retrieval: confirm it."""
    invoice = _invoice(request.auth, id, "document")
    return HttpResponse(
        bytes(invoice.document.xml),
        content_type="application/xml",
        headers={"Content-Disposition": f'attachment; filename="{invoice.uuid}.xml"'},
    )


@function(
    "GetInboxDocument",
    router,
    path="/confirm",
    method="POST",
    response={200: ConfirmedOut, 404: Problem},
)
def confirm(request, organisation: str, id: str):
    """Confirm that the software has stored the invoice; it is not offered to these keys again."""
    call = request.auth
    invoice = _invoice(call, id)
    offer = services.confirm(invoice=invoice, through=call.connection, check=call.still_open)
    return {"id": invoice.uuid, "delivery": "retrieved", "retrieved_at": offer.retrieved_at}


def _body(request) -> bytes:
    xml = request.read(settings.INVOICE_MAX_BYTES + 1)
    if len(xml) > settings.INVOICE_MAX_BYTES:
        raise ApiError(errors.TOO_LARGE)
    return xml


def _idempotency_key(request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if key and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise ApiError(
            errors.WRONG_INPUT,
            details=[
                {
                    "field": "Idempotency-Key",
                    "message": "At most 255 visible ASCII characters, without spaces.",
                }
            ],
        )
    return key


def _invoice(call, id, *related):
    try:
        wanted = uuid.UUID(id)
    except ValueError:
        raise ApiError(errors.NO_SUCH_INVOICE) from None
    invoice = (
        Invoice.objects.received_by(call.organisation)
        .select_related(*related)
        .filter(uuid=wanted)
        .first()
    )
    if invoice is None:
        raise ApiError(errors.NO_SUCH_INVOICE)
    return invoice


def _listed(invoices, listing):
    if listing.created_from:
        invoices = invoices.filter(created_at__gte=listing.created_from)
    if listing.created_to:
        invoices = invoices.filter(created_at__lte=listing.created_to)
    try:
        found = page(invoices, by="created_at", after=listing.next, size=listing.limit)
    except BadCursor:
        details = [
            {"field": "next", "message": "This cursor is not one that a page of this list gave."}
        ]
        raise ApiError(errors.WRONG_INPUT, details=details) from None
    return found.rows, found.next


def _fields(invoice):
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
        "sha256": invoice.sha256,
    }


def _sent(invoice):
    return {**_fields(invoice), "status": "delivered" if invoice.delivered else "delivery failed"}


def _received(invoice):
    delivery = "retrieved" if invoice.retrieved else "ready" if invoice.offered else "not offered"
    return {**_fields(invoice), "delivery": delivery}
