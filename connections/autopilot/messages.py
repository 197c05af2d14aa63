"""What a package is sent, as docs/autopilot.md describes it."""

import base64
import json

from connections.autopilot import signing
from connections.autopilot.models import webhook_id


def about_invoice(offer) -> bytes:
    """The body of a push: the facts of an invoice, and the document itself."""
    invoice = offer.invoice
    return _body(
        "invoice.received",
        offer.offered_at,
        {
            "id": str(invoice.uuid),
            "organisation": {
                "id": invoice.receiver.organisation_id,
                "name": invoice.receiver.name,
            },
            "administration": offer.connection.known_administration,
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
            "sha256": invoice.sha256,
            "document": base64.b64encode(invoice.document.xml).decode(),
        },
    )


def about_test(connection, at) -> bytes:
    """The body of a test push: the same form, and no invoice."""
    organisation = connection.organisation
    return _body(
        "test",
        at,
        {
            "organisation": {"id": organisation.organisation_id, "name": organisation.name},
            "administration": connection.known_administration,
        },
    )


def headers(connection, message, body, at) -> dict[str, str]:
    """The headers of an attempt at the time `at`, with a signature for each signing secret that lives."""
    secrets = [it.reveal() for it in connection.signing_secrets.live().order_by("-version")]
    return {
        "content-type": "application/json",
        "user-agent": "Koppel-Autopilot/1",
        **signing.headers(
            secrets, id=webhook_id(message), timestamp=int(at.timestamp()), body=body
        ),
    }


def _body(kind, at, data):
    said = {"type": kind, "timestamp": at.isoformat(timespec="seconds"), "data": data}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
