"""Sending and receiving invoices."""

import hashlib

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Organisation
from connections.invoices import ubl
from connections.invoices.models import Document, Invoice, Offer, SentOnce
from connections.models import Connection


class WrongSender(Exception):
    """The supplier in the document is not the organisation that sends it (R49)."""


class SendingOff(Exception):
    """Sending is switched off for the organisation."""


class KeyReused(Exception):
    """The Idempotency-Key stands for another document (R48)."""


def send(*, xml: bytes, through, idempotency_key="", check=lambda: None) -> tuple[Invoice, bool]:
    """Store a UBL document in the outbox of the organisation of `through` and deliver it (R48, R49).

    Answers the invoice and whether it is new: the same `idempotency_key` (at most 255 characters, "" for
    none) with the same bytes answers the invoice of the first time. `check` is called inside the
    transaction and may refuse by raising. An invoice whose receiver is not found is stored too, without one.
    Raises ubl.NotUbl and its kinds, WrongSender, SendingOff, KeyReused.
    """
    document = ubl.read(xml)
    digest = hashlib.sha256(xml).hexdigest()
    try:
        with transaction.atomic():
            check()
            earlier = _sent_before(through, idempotency_key, digest)
            if earlier:
                return earlier, False
            invoice = _store(document, xml, digest, through)
            if idempotency_key:
                SentOnce.objects.create(
                    connection=through, key=idempotency_key, sha256=digest, invoice=invoice
                )
            return invoice, True
    except IntegrityError:  # the same key at the same time: the other one was first
        earlier = _sent_before(through, idempotency_key, digest)
        if earlier is None:
            raise
        return earlier, False


@transaction.atomic
def confirm(*, invoice, through, check=lambda: None) -> Offer:
    """Note that the software has `invoice`: from now on it is retrieved (R48). Again changes nothing.

    `check` is called inside the transaction and may refuse by raising.
    """
    check()
    offer, _created = Offer.objects.get_or_create(invoice=invoice, connection=through)
    if offer.retrieved_at is None:
        now = timezone.now()
        Offer.objects.ready().filter(pk=offer.pk).update(retrieved_at=now)
        offer.refresh_from_db()
    return offer


def _sent_before(through, idempotency_key, digest):
    if not idempotency_key:
        return None
    earlier = (
        SentOnce.objects.select_related("invoice__receiver")
        .filter(connection=through, key=idempotency_key)
        .first()
    )
    if earlier and earlier.sha256 != digest:
        raise KeyReused
    return earlier.invoice if earlier else None


def _store(document, xml, digest, through):
    sender = through.organisation
    if not sender.sending:
        raise SendingOff
    if _named(document.supplier) != [sender]:
        raise WrongSender
    receiver = next(iter(_named(document.customer)), None)
    if receiver and not receiver.receiving:
        receiver = None
    invoice = Invoice.objects.create(
        kind=document.kind,
        number=document.number,
        issue_date=document.issue_date,
        currency=document.currency,
        total=document.total,
        sender=sender,
        sender_name=document.supplier.name or sender.name,
        sender_address=next(iter(document.supplier.addresses), ""),
        receiver=receiver,
        receiver_name=document.customer.name,
        receiver_address=next(iter(document.customer.addresses), ""),
        sent_through=through,
        sha256=digest,
    )
    Document.objects.create(invoice=invoice, xml=xml)
    _offer(invoice)
    return invoice


def _named(party):
    return Organisation.objects.known_by(
        addresses=party.addresses,
        registration_number=party.registration_number,
        country=party.country,
    )


def _offer(invoice):
    """Put a delivered invoice before every live connection of the receiver that may fetch it (R50)."""
    if not invoice.delivered:
        return
    connections = (
        Connection.objects.live()
        .filter(organisation=invoice.receiver)
        .select_related("app", "owner")
        .with_owner_standing()
    )
    Offer.objects.bulk_create(
        Offer(invoice=invoice, connection=connection)
        for connection in connections
        if connection.rights.mark("GetInboxDocument").allowed
    )
