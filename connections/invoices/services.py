"""Sending and receiving invoices, and what becomes of them."""

import hashlib
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import DateField, F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.events.models import Action
from accounts.events.services import record
from accounts.models import Organisation
from accounts.refusals import refuse_blocked
from accounts.services import Refused
from connections.invoices import rules, ubl
from connections.invoices.models import (
    Document,
    Invoice,
    Offer,
    SentOnce,
    Status,
    StatusChange,
)
from connections.models import Connection
from connections.services import entered, live_places_at
from portal.prepared import Given, GivenText, Prepared, given_list

SENT_ONCE_KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 10_000
ADDRESSES_AT_ONCE = 5  # more than a party has


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


class BreaksRules(Exception):
    """The document breaks the rules `broken` of EN 16931."""

    def __init__(self, broken):
        super().__init__(broken)
        self.broken = broken


class StatusNotPossible(Refused):
    """Its status is the portal's to change: a duplicate that nobody marked as original, for instance."""

    def __init__(self, invoice):
        self.invoice = invoice
        super().__init__(
            _("The status of a duplicate cannot be set. Mark the invoice as original first.")
        )


def send(
    *, xml: bytes, through, sender=None, idempotency_key="", check=lambda: None
) -> tuple[Invoice, bool]:
    """Store a UBL document in the outbox of `sender` and deliver it (R48, R49).

    `sender` is one of the organisations that `through` is used for, without it the first one.

    Answers the invoice and whether it is new: the same `idempotency_key` (at most 255 characters, "" for
    none) with the same bytes answers the invoice of the first time. `check` is called inside the
    transaction and may refuse by raising. An invoice whose receiver is not found is stored too, without one.
    Raises ubl.NotUbl and its kinds, WrongSender, SendingOff, NumberUsed, KeyReused, and BreaksRules where
    the rules of EN 16931 are switched on.
    """
    sender = sender or through.organisation
    document = ubl.read(xml)
    if settings.INVOICE_RULES and (broken := rules.broken(xml)):
        raise BreaksRules(broken)
    digest = hashlib.sha256(xml).hexdigest()
    try:
        with transaction.atomic():
            # Before the keys, as everybody does who ends them; so numbers are given out one at a time.
            Organisation.objects.select_for_update(no_key=True).get(pk=sender.pk)
            check()
            earlier = _sent_before(through, idempotency_key, digest)
            if earlier:
                return earlier, False
            invoice = _store(document, xml, digest, sender, through)
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
        _step(invoice, Status.DOWNLOADED, after=[Status.RECEIVED], through=through)
    return offer


@transaction.atomic
def set_status(*, invoice, status, note="", by=None, through=None, check=lambda: None) -> Invoice:
    """Set the status of a received invoice for the receiver, and answer the invoice as it is now (R52).

    `status` is one of SETTABLE, `note` at most 500 characters; the sender sees both. Set by the person `by`
    or by the software of the connection `through`. The status that it has already changes nothing.
    `check` is called inside the transaction and may refuse by raising.
    Raises StatusNotPossible, and for a person OutOfReach and EnvironmentBlocked.
    """
    if by:
        refuse_blocked(entered(invoice.receiver, by).environment)
    check()
    invoice = _locked(invoice)
    if status == invoice.status:
        return invoice
    if status not in invoice.possible:
        raise StatusNotPossible(invoice)
    _change(invoice, status, note=note, by=by, through=through)
    if by:
        _record(Action.INVOICE_STATUS_SET, invoice, by, status=status)
    return invoice


def opened(*, invoice, by) -> None:
    """Note that the person `by` of the receiver has opened `invoice`; only the first time counts (R52)."""
    before = [Status.RECEIVED, Status.DOWNLOADED]
    if invoice.status in before:
        with transaction.atomic():
            _step(invoice, Status.OPENED, after=before, by=by)


@transaction.atomic
def mark_as_original(*, invoice, by) -> Invoice:
    """Say that a marked duplicate is an invoice of its own; it can be re-offered then (R51).

    Again changes nothing. Raises OutOfReach and EnvironmentBlocked.
    """
    refuse_blocked(entered(invoice.receiver, by).environment)
    invoice = _locked(invoice)
    if invoice.is_duplicate:
        _change(invoice, Status.RECEIVED, by=by)
        _record(Action.INVOICE_MARKED_ORIGINAL, invoice, by)
    return invoice


def connections_that_fetch(organisation) -> list[Connection]:
    """The live connections of `organisation`, or used for it too, that may fetch its invoices now (R5, R15).

    A paused or blocked one, too: what arrives meanwhile waits for it (R23).
    """
    places = (
        place
        for place in live_places_at(organisation)
        if not place.is_suspended and place.rights.allows("GetInboxDocument")
    )
    return [getattr(place, "connection", place) for place in places]


def forget_sent_once() -> int:
    """Forget for which invoice an Idempotency-Key of 30 days ago stood, and answer how many did."""
    old = SentOnce.objects.filter(created_at__lt=timezone.now() - SENT_ONCE_KEPT)
    found = list(old.order_by("created_at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    SentOnce.objects.filter(pk__in=found).delete()
    return len(found)


_NUMBERED = {
    "sender": Given("sender"),
    "number": GivenText("number"),
    "kind": GivenText("kind"),
}
_DATE = Given("date", output_field=DateField())
_AT_ADDRESSES = Prepared(
    lambda: (
        Organisation.objects.of_open_environments()
        .filter(addresses__value__in=given_list("addresses", ADDRESSES_AT_ONCE, GivenText))
        .annotate(address=F("addresses__value"))
    )
)
_OF_NUMBER = Prepared(
    lambda: Organisation.objects.of_open_environments().filter(
        registration_number=GivenText("number"), country=GivenText("country")
    )
)
_SENT_BEFORE = Prepared(
    lambda: SentOnce.objects.select_related("invoice__receiver").filter(
        connection=Given("connection"), key=GivenText("key")
    )
)
_USED = Prepared(
    lambda: (
        Invoice.objects.filter(**_NUMBERED, receiver__isnull=False)
        .exclude(issue_date=_DATE)
        .order_by("pk")[:1]
    )
)
_ORIGINALS = Prepared(
    lambda: Invoice.objects.filter(
        **_NUMBERED, issue_date=_DATE, receiver=Given("receiver"), duplicate_of__isnull=True
    ).order_by("pk")[:1]
)


def _sent_before(through, idempotency_key, digest):
    if not idempotency_key:
        return None
    earlier = _SENT_BEFORE.first(connection=through.pk, key=idempotency_key)
    if earlier and earlier.sha256 != digest:
        raise KeyReused
    return earlier.invoice if earlier else None


def _store(document, xml, digest, sender, through):
    if not sender.sending:
        raise SendingOff
    if _named(document.supplier) != [sender]:
        raise WrongSender
    _refuse_used_number(document, sender)
    receiver = next(iter(_named(document.customer)), None)
    if receiver and not receiver.receiving:
        receiver = None
    original = _original(document, sender, receiver)
    status = Status.DUPLICATE if original else Status.RECEIVED if receiver else Status.FAILED
    now = timezone.now()
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
        status=status,
        duplicate_of=original,
        created_at=now,
        changed_at=now,
    )
    Document.objects.create(invoice=invoice, xml=xml)
    StatusChange.objects.create(invoice=invoice, status=status, at=now, through=through)
    if status == Status.RECEIVED:
        _offer(invoice)
    return invoice


def _original(document, sender, receiver):
    """The first invoice of this sender, number and date in the same inbox, or None (R51).

    Credit notes have numbers of their own, as for R41. Sent to another receiver it is no duplicate there: the
    first was addressed wrongly.
    """
    if receiver is None:
        return None
    return _ORIGINALS.first(
        sender=sender.pk,
        number=document.number,
        kind=document.kind,
        date=document.issue_date,
        receiver=receiver.pk,
    )


def _refuse_used_number(document, sender):
    """Two programs of one organisation whose number series meet are told at once (R41).

    The same number and date is a duplicate, not another invoice. What was not delivered has used no number.
    """
    earlier = _USED.first(
        sender=sender.pk, number=document.number, kind=document.kind, date=document.issue_date
    )
    if earlier:
        raise NumberUsed(earlier.issue_date)


def _named(party):
    """The organisations that a party names: in the order of its addresses, that of its number last.

    Those of closed and blocked environments are left out.
    """
    by_address = {}
    for start in range(0, len(party.addresses), ADDRESSES_AT_ONCE):
        some = party.addresses[start : start + ADDRESSES_AT_ONCE]
        for organisation in _AT_ADDRESSES.rows(addresses=some):
            by_address[organisation.address] = organisation
    found = [by_address[value] for value in party.addresses if value in by_address]
    if party.registration_number:
        found += _OF_NUMBER.rows(number=party.registration_number, country=party.country)
    return list(dict.fromkeys(found))


def _offer(invoice):
    """Put a delivered invoice before every live connection of the receiver that may fetch it (R50)."""
    Offer.objects.bulk_create(
        Offer(invoice=invoice, connection=connection)
        for connection in connections_that_fetch(invoice.receiver)
    )


def _locked(invoice):
    """The row as it is now, nobody else's to change; the last lock of all."""
    return (
        Invoice.objects.select_for_update(no_key=True, of=["self"])
        .select_related("receiver__environment")
        .get(pk=invoice.pk)
    )


def _step(invoice, status, *, after, **who):
    """Go on to `status` where the status is one of `after`: what happens by itself never goes back."""
    if invoice.status in after:
        locked = _locked(invoice)
        if locked.status in after:
            _change(locked, status, **who)
        invoice.status = locked.status


def _change(invoice, status, *, note="", by=None, through=None):
    now, invoice.status = timezone.now(), status
    if status != Status.DOWNLOADED:
        invoice.changed_at = now
    invoice.save(update_fields=["status", "changed_at"])
    StatusChange.objects.create(
        invoice=invoice, status=status, at=now, note=note, by=by, through=through
    )


def _record(action, invoice, by, **details):
    record(
        action,
        by=by,
        subject=invoice,
        environment=invoice.receiver.environment,
        organisation=invoice.receiver,
        **details,
    )
