"""Sending, receiving and re-offering invoices."""

import hashlib
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.events.models import Action
from accounts.events.services import record
from accounts.models import Organisation
from accounts.services import Refused
from connections.invoices import ubl
from connections.invoices.models import Document, Invoice, Offer, SentOnce
from connections.models import Connection
from connections.services import entered

MOST_AT_ONCE = 500


class WrongSender(Exception):
    """The supplier in the document is not the organisation that sends it (R49)."""


class SendingOff(Exception):
    """Sending is switched off for the organisation."""


class NumberUsed(Exception):
    """The organisation has used the number for an invoice of another date, `used_on` (R41)."""

    def __init__(self, used_on):
        super().__init__(used_on)
        self.used_on = used_on


class KeyReused(Exception):
    """The Idempotency-Key stands for another document (R48)."""


class NothingConnected(Refused):
    def __init__(self, organisation):
        super().__init__(
            _(
                "No software may fetch the invoices of %(organisation)s now, so there is nobody to offer "
                "them to. Connect software first."
            )
            % {"organisation": organisation.name}
        )


class NothingChosen(Refused):
    def __init__(self):
        super().__init__(_("Tick at least one received invoice."))


@dataclass(frozen=True)
class Reoffered:
    """What re-offering did."""

    invoices: int
    connections: list[Connection]


def send(*, xml: bytes, through, idempotency_key="", check=lambda: None) -> tuple[Invoice, bool]:
    """Store a UBL document in the outbox of the organisation of `through` and deliver it (R48, R49).

    Answers the invoice and whether it is new: the same `idempotency_key` (at most 255 characters, "" for
    none) with the same bytes answers the invoice of the first time. `check` is called inside the
    transaction and may refuse by raising. An invoice whose receiver is not found is stored too, without one.
    Raises ubl.NotUbl and its kinds, WrongSender, SendingOff, NumberUsed, KeyReused.
    """
    document = ubl.read(xml)
    digest = hashlib.sha256(xml).hexdigest()
    try:
        with transaction.atomic():
            # Before the keys, as everybody does who ends them; so numbers are given out one at a time.
            Organisation.objects.select_for_update(no_key=True).get(pk=through.organisation_id)
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


@transaction.atomic
def reoffer(*, invoices, organisation, by) -> Reoffered:
    """Put `invoices` before every live connection of `organisation` that may fetch them, again (R50).

    People of a partner put them before the connections of that partner alone.

    `invoices` is a queryset; of those that the organisation received, the oldest MOST_AT_ONCE are taken. What
    was retrieved is ready again, and the software gets it a second time. Twice is as good as once.
    Raises OutOfReach, NothingConnected and NothingChosen.
    """
    organisation = entered(organisation, by)
    connections = connections_to_offer(organisation, by)
    if not connections:
        raise NothingConnected(organisation)
    oldest = invoices.received_by(organisation).order_by("created_at", "pk")[:MOST_AT_ONCE]
    chosen = list(oldest.values_list("pk", flat=True))
    if not chosen:
        raise NothingChosen
    now = timezone.now()
    Offer.objects.bulk_create(
        [
            Offer(invoice_id=pk, connection=connection, offered_at=now, offered_by=by)
            for pk in chosen
            for connection in connections
        ],
        update_conflicts=True,
        unique_fields=["invoice", "connection"],
        update_fields=["offered_at", "offered_by", "retrieved_at"],
    )
    record(
        Action.INVOICES_REOFFERED,
        by=by,
        subject=organisation,
        environment=organisation.environment,
        organisation=organisation,
        invoices=len(chosen),
        connections=[str(connection) for connection in connections],
    )
    return Reoffered(len(chosen), connections)


def connections_to_offer(organisation, by) -> list[Connection]:
    """Of the connections that may fetch, those that `by` may offer invoices to again."""
    return [it for it in connections_that_fetch(organisation) if it.is_managed_by(by)]


def connections_that_fetch(organisation) -> list[Connection]:
    """The live connections of `organisation` that may fetch received invoices now (R5), the oldest first."""
    connections = (
        Connection.objects.live()
        .filter(organisation=organisation)
        .select_related("app", "owner", "organisation__environment", "mandate__accountant")
        .with_owner_standing()
        .order_by("pk")
    )
    return [it for it in connections if it.stands and it.rights.allows("GetInboxDocument")]


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
    _refuse_used_number(document, sender)
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
        receiver_name=document.customer.name or (receiver.name if receiver else ""),
        receiver_address=next(iter(document.customer.addresses), ""),
        sent_through=through,
        sha256=digest,
    )
    Document.objects.create(invoice=invoice, xml=xml)
    _offer(invoice)
    return invoice


def _refuse_used_number(document, sender):
    """Two programs of one organisation whose number series meet are told at once (R41).

    The same number and date is a duplicate, not another invoice. What was not delivered has used no number.
    """
    earlier = (
        Invoice.objects.filter(
            sender=sender, number=document.number, kind=document.kind, receiver__isnull=False
        )
        .exclude(issue_date=document.issue_date)
        .first()
    )
    if earlier:
        raise NumberUsed(earlier.issue_date)


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
    Offer.objects.bulk_create(
        Offer(invoice=invoice, connection=connection)
        for connection in connections_that_fetch(invoice.receiver)
    )
