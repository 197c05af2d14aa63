"""Signatures in the form of Standard Webhooks 1.0, so that every library of it can check them.

A signing secret is never stored: it comes from a key of this server, the connection and its version.
"""

import base64
import hashlib
import hmac

from connections.keys import Secret

PREFIX = "whsec_"
LENGTH = 32  # bytes


def secret_of(*, key: bytes, connection: str, version: int) -> Secret:
    """The signing secret of this version of a connection, "whsec_" and base64; it prints masked."""
    message = "\0".join(("autopilot-signing/1", connection, str(version))).encode()
    derived = hmac.new(key, message, hashlib.sha256).digest()
    return Secret(PREFIX + base64.b64encode(derived).decode())


def sign(secret: Secret, *, id: str, timestamp: int, body: bytes) -> str:
    """The signature of a message under one secret: "v1," and base64."""
    key = base64.b64decode(secret.reveal().removeprefix(PREFIX))
    message = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()


def headers(secrets: list[Secret], *, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; of several secrets each signs, so that one can be replaced in time."""
    signatures = (sign(secret, id=id, timestamp=timestamp, body=body) for secret in secrets)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
