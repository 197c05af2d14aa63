"""App Key and Secret: making them, knowing a typing error, storing only a digest, comparing. Pure.

    App Key   kpa_ + 16 random characters + 6 of checksum   26 characters, 95 bits, an identifier
    Secret    kps_ + 32 random characters + 6 of checksum   42 characters, 190 bits, shown once
    token     kpt_ + 43 random characters + 6 of checksum   53 characters, 256 bits, alive for 4 hours

Characters are 0-9A-Za-z; the checksum is the CRC32 of everything before it, in base 62. It is no security:
it tells a typing error from a wrong key, and keeps junk away from the database.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
APP_KEY_PREFIX, APP_KEY_LENGTH = "kpa_", 26
GATEWAY_PREFIX = (
    "kpg_"  # of what names a gateway; otherwise its pair is made like that of a connection
)
SECRET_PREFIX, SECRET_LENGTH = "kps_", 42
TOKEN_PREFIX, TOKEN_LENGTH = "kpt_", 53
LONGEST_HEADER = 200
MOST_FOUND = 20
_CHECKSUM_LENGTH = 6
_CHARACTERS = frozenset(ALPHABET)
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


class Secret:
    """A Secret on its way to the one answer that shows it; prints masked everywhere else."""

    __slots__ = ("_text",)

    def __init__(self, text: str):
        self._text = text

    def reveal(self) -> str:
        """The text itself. Call it in the answer to the POST that made them, and nowhere else (R14)."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(masked)"

    __str__ = __repr__

    def __reduce__(self):
        raise TypeError("A Secret is never stored.")


@dataclass(frozen=True)
class KeyPair:
    """What a connection's software is given."""

    app_key: str
    secret: Secret


def make_pair(prefix: str = APP_KEY_PREFIX) -> KeyPair:
    """Make a new App Key and a new Secret; both change with every set (R16)."""
    return KeyPair(
        _make(prefix, APP_KEY_LENGTH),
        Secret(_make(SECRET_PREFIX, SECRET_LENGTH)),
    )


def make_token() -> Secret:
    """Make a SecurityToken; it is a Secret too, so it prints masked (R42)."""
    return Secret(_make(TOKEN_PREFIX, TOKEN_LENGTH))


def is_app_key(text: str) -> bool:
    """Say whether `text` has the form and checksum of an App Key; no look-up."""
    return _well_formed(text, APP_KEY_PREFIX, APP_KEY_LENGTH)


def is_secret(text: str) -> bool:
    """Say whether `text` has the form and checksum of a Secret; no look-up."""
    return _well_formed(text, SECRET_PREFIX, SECRET_LENGTH)


def digest(secret: str, *, pepper: bytes, app_key: str, connection: str, version: int) -> str:
    """HMAC-SHA256 of `secret` under `pepper`, as 64 hexadecimal characters.

    Bound to its App Key, connection and version: copied into another row, the digest opens nothing.
    """
    message = "\0".join(("conn-secret/1", app_key, connection, str(version), secret))
    return hmac.new(pepper, message.encode(), hashlib.sha256).hexdigest()


def token_digest(token: str) -> str:
    """SHA-256 of a SecurityToken, as 64 hexadecimal characters; 256 random bits need no pepper."""
    return hashlib.sha256(token.encode()).hexdigest()


def leak_tag(secret: str, *, pepper: bytes) -> str:
    """What finds the key set of a Secret that somebody found: HMAC-SHA256, as 64 hexadecimal characters.

    Apart from the digest, it is bound to nothing but the Secret; it never decides whether a call is let in.
    """
    return hmac.new(pepper, f"conn-leak/1\0{secret}".encode(), hashlib.sha256).hexdigest()


def find_secrets(text: str) -> list[Secret]:
    """The Secrets that stand in `text`, each once, at most 20; known by form and checksum."""
    found = re.findall(
        rf"{SECRET_PREFIX}[{ALPHABET}]{{{SECRET_LENGTH - len(SECRET_PREFIX)}}}", text
    )
    return [Secret(secret) for secret in dict.fromkeys(found) if is_secret(secret)][:MOST_FOUND]


def matches(
    secret: str, stored: str, *, pepper: bytes, app_key: str, connection: str, version: int
) -> bool:
    """Compare `secret` with a stored digest, in a time that does not depend on where they differ."""
    made = digest(secret, pepper=pepper, app_key=app_key, connection=connection, version=version)
    return hmac.compare_digest(made.encode(), stored.encode())


def read_basic(header: str, prefix: str = APP_KEY_PREFIX) -> KeyPair | None:
    """Read App Key and Secret from the value of an Authorization header (HTTP Basic, RFC 7617).

    None for everything that cannot be a pair of ours: another scheme, no base64, other characters, swapped,
    cut off, mistyped. Nothing is looked up, and nothing raises.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > LONGEST_HEADER:
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        return None
    app_key, _, secret = text.partition(":")
    return pair_of(app_key, secret, prefix)


def pair_of(app_key: str, secret: str, prefix: str = APP_KEY_PREFIX) -> KeyPair | None:
    """The two texts as a pair, or None where one of them has not the form and checksum of ours."""
    if not (_well_formed(app_key, prefix, APP_KEY_LENGTH) and is_secret(secret)):
        return None
    return KeyPair(app_key, Secret(secret))


def read_bearer(header: str) -> Secret | None:
    """Read a SecurityToken from the value of an Authorization header (RFC 6750); None for all else."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not _well_formed(token, TOKEN_PREFIX, TOKEN_LENGTH):
        return None
    return Secret(token)


def shows_credentials(text: str) -> bool:
    """Say whether a Secret or token stands in `text`, such as an address that proxies write into logs."""
    return SECRET_PREFIX in text or TOKEN_PREFIX in text


def _make(prefix: str, length: int) -> str:
    random = length - len(prefix) - _CHECKSUM_LENGTH
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(random))
    return body + _checksum(body)


def _well_formed(text: str, prefix: str, length: int) -> bool:
    return (
        len(text) == length
        and text.startswith(prefix)
        and _CHARACTERS.issuperset(text[len(prefix) :])
        and _checksum(text[:-_CHECKSUM_LENGTH]) == text[-_CHECKSUM_LENGTH:]
    )


def _checksum(body: str) -> str:
    rest, third = divmod(zlib.crc32(body.encode()), len(_PAIRS))
    first, second = divmod(rest, len(_PAIRS))
    return _PAIRS[first] + _PAIRS[second] + _PAIRS[third]
