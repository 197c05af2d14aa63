"""What Koppel Books does: test its keys, fetch and book invoices, send one.

Failures of the API are not raised but kept or answered as findings (connections.books.findings).
"""

import hashlib
import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from connections.books.client import Api, Failed, Organisation
from connections.books.findings import is_about_the_keys
from connections.books.models import Administration, BookedInvoice, Direction, State
from connections.books.series import DEFAULT_INVOICE

SHOWN = timedelta(days=90)
MOST_PAGES = 5
PASSING = {"dead", "slow", "busy", "strange"}  # says nothing about the keys
FETCHING = 15  # seconds; what is left comes with the next click
VAT = Decimal("0.21")
CENT = Decimal("0.01")
TERM = timedelta(days=30)


@sensitive_variables()
def connected(administration: Administration) -> Api:
    """A visit to the API with the stored keys. Raises Failed."""
    secret = administration.secret
    if not secret:
        raise Failed("unreadable")
    return Api(administration.app_key, secret)


def test(administration: Administration) -> None:
    """Ask the portal who the stored keys are, and keep what it says in `administration.tested`.

    The organisation is taken over where there is only one; else the person chooses (`organisation_id`).
    """
    try:
        with connected(administration) as api:
            finding = _found(administration, api.me())
    except Failed as failure:
        finding = failure.finding
    administration.tested = {**finding, "at": timezone.now().isoformat()}
    if finding["what"] == "ok":
        administration.connected_at = timezone.now()
    elif finding["what"] not in PASSING:
        administration.connected_at = None
    administration.save()


def _found(administration, me):
    organisations = {it.id: it.name for it in me.organisations}
    listed = [{"id": id, "name": name} for id, name in organisations.items()]
    wanted = administration.organisation_id
    if not organisations:
        return {"what": "none"}
    if not wanted and len(organisations) > 1:
        return {"what": "choose", "organisations": listed}
    chosen = wanted or next(iter(organisations))
    if chosen not in organisations:
        return {"what": "other organisation", "entered": chosen, "organisations": listed}
    administration.organisation_id = chosen
    administration.organisation_name = organisations[chosen]
    return {
        "what": "ok",
        "app": me.app,
        "organisation": organisations[chosen],
        "functions": list(me.functions),
    }


@dataclass
class Box:
    """The inbox or the outbox, the newest first, or the finding why it cannot be shown."""

    rows: list = field(default_factory=list)
    more: bool = False
    finding: dict = field(default_factory=dict)


def boxes(administration: Administration) -> tuple[Box, Box, dict]:
    """Inbox and outbox of the last SHOWN, and the finding that concerns both."""
    try:
        with connected(administration) as api:
            inbox = _box(api.inbox, administration)
            if inbox.finding and is_about_the_keys(inbox.finding):
                administration.tested = {**inbox.finding, "at": timezone.now().isoformat()}
                administration.save(update_fields=["tested"])  # the settings tell it too
                return Box(), Box(), inbox.finding
            return inbox, _box(api.outbox, administration), {}
    except Failed as failure:
        return Box(), Box(), failure.finding


def _box(ask, administration):
    box, cursor = Box(), ""
    since = (timezone.now() - SHOWN).isoformat()
    try:
        for _page in range(MOST_PAGES):
            query = {"created_from": since} | ({"next": cursor} if cursor else {})
            rows, cursor = ask(administration.organisation_id, **query)
            box.rows = rows[::-1] + box.rows
            if not cursor:
                return box
        box.more = True
    except Failed as failure:
        box.finding = failure.finding
    return box


@dataclass
class Fetched:
    """What one click brought."""

    new: list[BookedInvoice] = field(default_factory=list)
    again: int = 0  # were booked here before
    more: bool = False
    finding: dict = field(default_factory=dict)


def fetch(administration: Administration) -> Fetched:
    """Book every invoice that waits: fetch it, store it, and only then confirm it (R48)."""
    fetched, end = Fetched(), time.monotonic() + FETCHING
    try:
        with connected(administration) as api:
            cursor = ""
            while cursor is not None and not fetched.more:
                query = {"delivery": "ready"} | ({"next": cursor} if cursor else {})
                rows, cursor = api.inbox(administration.organisation_id, **query)
                for row in rows:
                    if time.monotonic() > end:
                        fetched.more = True
                        break
                    _book(administration, api, row, fetched)
    except Failed as failure:
        fetched.finding = failure.finding
    return fetched


def _book(administration, api, row, fetched):
    xml = api.document(administration.organisation_id, row.id)
    if hashlib.sha256(xml).hexdigest() != row.sha256:
        raise Failed("changed", number=row.number)
    invoice, new = administration.invoices.update_or_create(
        direction=Direction.RECEIVED,
        api_id=row.id,
        create_defaults={
            "number": row.number,
            "other_party": row.other_party,
            "total": row.total,
            "currency": row.currency,
            "xml": xml,
            "state": State.STORED,
        },
        defaults={"xml": xml},
    )
    api.confirm(administration.organisation_id, row.id)
    administration.invoices.filter(pk=invoice.pk).update(state=State.BOOKED)
    if new:
        fetched.new.append(invoice)
    else:
        fetched.again += 1


def send(administration: Administration, *, uuid, number, customer, receiver, description, net):
    """Write an invoice, store it, and send it; the same `uuid` again is the same invoice.

    `receiver` is an electronic address (scheme:identifier) or a registration number. Answers the invoice;
    what became of it is its state and its answer. Raises Failed when it could not even be written.
    """
    invoice = administration.invoices.filter(uuid=uuid, direction=Direction.SENT).first()
    if invoice is None:
        with connected(administration) as api:
            sender = _ourselves(administration, api)
        net = net.quantize(CENT, ROUND_HALF_UP)
        tax = (net * VAT).quantize(CENT, ROUND_HALF_UP)
        today = timezone.localdate()
        parts = {
            "number": number,
            "issued": today.isoformat(),
            "due": (today + TERM).isoformat(),
            "sender": _party(sender),
            "receiver": _customer(customer, receiver, sender.country),
            "description": description,
            **{name: str(amount) for name, amount in _sums(net, tax).items()},
        }
        invoice, _new = administration.invoices.get_or_create(
            uuid=uuid,
            defaults={
                "direction": Direction.SENT,
                "state": State.UNANSWERED,
                "number": number,
                "other_party": customer,
                "total": net + tax,
                "currency": "EUR",
                "xml": render_to_string("books/invoice.xml", parts).encode(),
            },
        )
    hand_over(administration, invoice)
    return invoice


def hand_over(administration: Administration, invoice: BookedInvoice) -> None:
    """Send the stored document, as often as is needed: its Idempotency-Key makes it one invoice (R48)."""
    try:
        with connected(administration) as api:
            invoice.answer = api.send(
                administration.organisation_id, bytes(invoice.xml), str(invoice.uuid)
            )
        invoice.api_id = invoice.answer["id"]
        delivered = invoice.answer["status"] != "delivery failed"
        invoice.state = State.DELIVERED if delivered else State.FAILED
    except Failed as failure:
        invoice.answer = failure.finding
        if not is_about_the_keys(failure.finding):
            unreachable = failure.finding.get("code") == "ERRSND4000001"
            invoice.state = State.FAILED if unreachable else State.REFUSED
            invoice.api_id = failure.finding.get("id", "")[:36]
    invoice.save(update_fields=["answer", "api_id", "state"])


def next_number(administration: Administration) -> str:
    """The first number of the series that no invoice has."""
    used = set(_sent(administration).values_list("number", flat=True))
    number = administration.first_invoice or DEFAULT_INVOICE
    while str(number) in used:
        number += 1
    return str(number)


def is_used(administration: Administration, number: str, *, other_than="") -> bool:
    """Whether an invoice has this number, sent or to be sent again."""
    uuids = _sent(administration).filter(number=number).values_list("uuid", flat=True)
    return any(str(uuid) != other_than for uuid in uuids)


def _sent(administration):
    if administration.pk is None:
        return BookedInvoice.objects.none()
    return administration.invoices.filter(direction=Direction.SENT)


def _ourselves(administration, api) -> Organisation:
    for organisation in api.me().organisations:
        if organisation.id == administration.organisation_id:
            return organisation
    raise Failed("refused", code="ERRGRP3000006")


def _party(organisation):
    scheme, _colon, identifier = next(iter(organisation.addresses), "").partition(":")
    return {
        "scheme": scheme,
        "identifier": identifier,
        "name": organisation.name,
        "country": organisation.country,
        "registration_number": organisation.registration_number,
    }


def _customer(name, receiver, country):
    scheme, colon, identifier = receiver.partition(":")
    known_by = (
        {"scheme": scheme, "identifier": identifier} if colon else {"registration_number": receiver}
    )
    return {"name": name, "country": country, **known_by}


def _sums(net, tax):
    return {"net": net, "tax": tax, "total": net + tax}
