"""What holds the activity log together: salted commitments, a chain that anybody can follow, keyed seals.

Every line has a digest over what it says; what may be personal (`PERSONAL`) goes in as a salted commitment,
so that it can be erased later. `link` binds a line to all before it, and needs no key: anybody can compute it
with scripts/verify_export.py. The seals need the key of this server, which no database holds.
"""

import hashlib
import hmac
import json
import secrets
from datetime import UTC

from django.conf import settings

PERSONAL = ("actor_name", "subject_name", "details")
START = "0" * 64  # what the first line of a log follows


def sign(event) -> None:
    """Give a new line its salts and the seal that says: this portal wrote it."""
    event.details = json.loads(json.dumps(event.details))  # as the database will answer it
    event.proofs = {field: secrets.token_hex(16) for field in PERSONAL}
    event.seal = sealed("line", digest(event))


def own_digest(event) -> str:
    """The digest of a line that stands as this portal wrote it; of any other line, nothing."""
    try:
        found = digest(event)
    except (AttributeError, KeyError, TypeError, ValueError):  # whatever somebody put there
        return ""
    return found if hmac.compare_digest(event.seal, sealed("line", found)) else ""


def facts(event) -> dict:
    """What a line says, without what may be personal: texts, as they are hashed."""
    return {
        "environment": str(event.environment_id),
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": str(event.actor_id or ""),
        "action": str(event.action),
        "organisation": event.organisation.organisation_id if event.organisation_id else "",
        "subject_kind": event.subject_kind,
        "subject_ref": event.subject_ref,
        "request_id": event.request_id,
    }


def digest(event) -> str:
    """The SHA-256 of a line: of its facts, and of the commitments to the rest."""
    return _hash(facts(event) | {field: commitment(event, field) for field in PERSONAL})


def commitment(event, field) -> str:
    """What stands in the chain for a personal value: says nothing about it without its salt."""
    proof = event.proofs[field]
    return proof.split(".")[0] if "." in proof else _hash([proof, getattr(event, field)])


def link(previous, number, line_digest) -> str:
    """The check value of line `number`, which follows the line with the check value `previous`."""
    return hashlib.sha256(f"{previous}:{number}:{line_digest}".encode()).hexdigest()


def link_seal(event) -> str:
    return sealed("link", event.environment_id, event.number, event.link)


def erase(event, field) -> None:
    """Take a personal value out of a line; its commitment stays, with the proof that this portal did it."""
    kept = commitment(event, field)
    event.proofs[field] = f"{kept}.{sealed('erased', event.seal, field)}"
    setattr(event, field, type(getattr(event, field))())


def is_erased(event, field) -> bool:
    return "." in event.proofs[field]


def was_erased_by_us(event, field) -> bool:
    mark = event.proofs[field].split(".")[1]
    expected = sealed("erased", event.seal, field)
    return not getattr(event, field) and hmac.compare_digest(mark, expected)


def sealed(*parts) -> str:
    """What only the holder of the key can make of these parts."""
    return hmac.digest(settings.CHAIN_KEY.encode(), _text(parts).encode(), "sha256").hex()


def _hash(value) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()


_text = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
