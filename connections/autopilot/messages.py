"""What a package is sent, as docs/autopilot.md describes it."""

import base64
import json

from django.core.serializers.json import DjangoJSONEncoder

from connections.autopilot import signing
from connections.autopilot.models import webhook_id
from connections.invoices.schemas import facts


def about_invoice(offer) -> bytes:
    """The body of a push: the facts of an invoice, and the document itself."""
    document = base64.b64encode(offer.invoice.document.xml).decode()
    return _body(
        "invoice.received",
        offer.offered_at,
        offer.connection,
        **facts(offer.invoice),
        document=document,
    )


def about_test(connection, at) -> bytes:
    """The body of a test push: the same form, and no invoice."""
    return _body("test", at, connection)


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


def _body(what, at, connection, **data):
    organisation = connection.organisation
    data["organisation"] = {"id": organisation.organisation_id, "name": organisation.name}
    data["administration"] = connection.known_administration
    said = {"type": what, "timestamp": at, "data": data}
    text = json.dumps(said, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))
    return text.encode()
