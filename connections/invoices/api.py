"""The API functions about invoices."""

import uuid

from django.conf import settings
from django.http import HttpResponse
from ninja import Query, Router, Status

from connections import errors
from connections.api import Problem, function, idempotency_key, listed
from connections.errors import ApiError
from connections.invoices import schemas, services, ubl
from connections.invoices.deliveries import add_delivery_to
from connections.invoices.models import Invoice
from connections.invoices.schemas import (
    ConfirmedOut,
    InboxListing,
    OutboxListing,
    ReceivedPage,
    ReceivedStatusOut,
    SentOut,
    SentPage,
    SentStatusOut,
    StatusIn,
)

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


@function(
    "SendDocument",
    router,
    document=_XML_BODY,
    refusals=[errors.SENDING_OFF],
    response={201: SentOut, 200: SentOut, 409: Problem, 413: Problem, 422: Problem},
)
def send_document(request, organisation: str):
    """Send a UBL Invoice or CreditNote, as the body of the request, at most 10 MB.

    201: stored and delivered; `duplicate` when the receiver has it from you already. 200: the same
    Idempotency-Key sent the same document before; this is the answer of that time. The answer comes after
    the invoice is safely stored, so repeat without fear when none comes.
    """
    call = request.auth
    key = idempotency_key(request)
    try:
        invoice, new = services.send(
            xml=_body(request),
            sender=call.organisation,
            through=call.connection,
            idempotency_key=key,
            check=call.still_open,
        )
    except ubl.NotUbl as wrong:
        raise ApiError(_NOT_READ[type(wrong)], details=str(wrong)) from None
    except services.BreaksRules as breaks:
        raise ApiError(
            errors.RULE_BROKEN,
            rules=[broken.rule for broken in breaks.broken],
            details=" ".join(broken.text for broken in breaks.broken)[:2000],
        ) from None
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
    return Status(201 if new else 200, schemas.just_sent(invoice))


@function("GetOutboxDocuments", router, response={200: SentPage, 422: Problem})
def outbox(request, organisation: str, listing: Query[OutboxListing]):
    """Sent invoices, the newest change of status last."""
    invoices = Invoice.objects.sent_by(request.auth.place.organisation)
    if listing.status:
        invoices = invoices.in_sent_status(listing.status)
    rows, cursor = _listed(invoices, listing, "receiver")
    return {"items": [schemas.sent(invoice) for invoice in rows], "next": cursor}


@function("GetOutboxDocument", router, response={200: None, 404: Problem})
def outbox_document(request, organisation: str, id: str):
    """The invoice itself, byte for byte as you sent it; also one whose delivery failed."""
    sent = Invoice.objects.sent_by(request.auth.place.organisation)
    return _xml(_invoice(sent.select_related("document"), id))


@function("GetOutboxDocumentStatus", router, response={200: SentStatusOut, 404: Problem})
def outbox_document_status(request, organisation: str, id: str):
    """What became of a sent invoice, and when. `delivered`: it is in the inbox of the receiver, who says the
    rest: `opened`, `paid`, `rejected`, with a note. `duplicate`: the receiver had it from you before."""
    invoice = _invoice(Invoice.objects.sent_by(request.auth.place.organisation), id)
    error = None if invoice.delivered else errors.RECEIVER_UNKNOWN.code
    return schemas.sent_status(invoice, error)


@function("GetInboxDocuments", router, response={200: ReceivedPage, 422: Problem})
def inbox(request, organisation: str, listing: Query[InboxListing]):
    """Received invoices, the newest change of status last. Listing never counts as retrieval."""
    call = request.auth
    invoices = Invoice.objects.received_by(call.place.organisation)
    if listing.status:
        invoices = invoices.filter(status=listing.status)
    if listing.delivery == "ready":
        invoices = invoices.ready_for(call.caller.connection)
    elif listing.delivery == "retrieved":
        invoices = invoices.retrieved_by(call.caller.connection)
    rows, cursor = _listed(invoices, listing, "sender")
    add_delivery_to(call.caller.connection, rows)
    return {"items": [schemas.received(invoice) for invoice in rows], "next": cursor}


@function("GetInboxDocument", router, response={200: None, 404: Problem})
def inbox_document(request, organisation: str, id: str):
    """The invoice itself, byte for byte as it was sent. Reading does not count as retrieval: confirm it."""
    received = Invoice.objects.received_by(request.auth.place.organisation)
    return _xml(_invoice(received.select_related("document"), id))


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
    invoice = _invoice(Invoice.objects.received_by(call.place.organisation), id)
    offer = services.confirm(invoice=invoice, through=call.connection, check=call.still_open)
    return {"id": invoice.uuid, "delivery": "retrieved", "retrieved_at": offer.retrieved_at}


@function("GetInboxDocumentStatus", router, response={200: ReceivedStatusOut, 404: Problem})
def inbox_document_status(request, organisation: str, id: str):
    """The status of a received invoice, what it can be set to, and who or which software set it when."""
    return _received_status(request.auth, id)


@function(
    "SetInboxDocumentStatus",
    router,
    response={200: ReceivedStatusOut, 404: Problem, 409: Problem, 422: Problem},
)
def set_inbox_document_status(request, organisation: str, id: str, wanted: StatusIn):
    """Set the status of a received invoice; its sender sees it. The one that it has changes nothing."""
    call = request.auth
    try:
        services.set_status(
            invoice=_invoice(Invoice.objects.received_by(call.place.organisation), id),
            status=wanted.status,
            note=wanted.note,
            through=call.connection,
            check=call.still_open,
        )
    except services.StatusNotPossible as refused:
        raise ApiError(
            errors.STATUS_NOT_POSSIBLE, status=refused.invoice.status, possible=[]
        ) from None
    return _received_status(call, id)


def _body(request) -> bytes:
    xml = request.read(settings.INVOICE_MAX_BYTES + 1)
    if len(xml) > settings.INVOICE_MAX_BYTES:
        raise ApiError(errors.TOO_LARGE)
    return xml


def _invoice(invoices, id):
    try:
        wanted = uuid.UUID(id)
    except ValueError:
        raise ApiError(errors.NO_SUCH_INVOICE) from None
    invoice = invoices.filter(uuid=wanted).first()
    if invoice is None:
        raise ApiError(errors.NO_SUCH_INVOICE)
    return invoice


def _received_status(call, id):
    invoice = _invoice(Invoice.objects.received_by(call.place.organisation), id)
    add_delivery_to(call.caller.connection, [invoice])
    return schemas.received_status(invoice)


def _xml(invoice):
    return HttpResponse(
        bytes(invoice.document.xml),
        content_type="application/xml",
        headers={"Content-Disposition": f'attachment; filename="{invoice.uuid}.xml"'},
    )


def _listed(invoices, listing, other_side):
    if listing.created_from:
        invoices = invoices.filter(created_at__gte=listing.created_from)
    if listing.created_to:
        invoices = invoices.filter(created_at__lte=listing.created_to)
    if listing.counterparty:
        invoices = invoices.exchanged_with(listing.counterparty, side=other_side)
    invoices = invoices.select_related("sender", "receiver")
    return listed(invoices, listing, by="changed_at")
