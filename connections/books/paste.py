"""Reading the keys of a connection out of whatever somebody pastes. Pure.

Written from the public description of the keys (docs/api.md, "How the keys look"), as any maker of software
would: `kpa_` and 22 characters are an App Key, `kps_` and 38 a Secret, of 0-9A-Za-z; the last six are the
CRC32 of everything before them, in base 62 with that alphabet, padded with 0 on the left.

Keys are found by that form alone, so labels, JSON, tabs, quotes and line breaks do not matter, and neither
does the order. Exactly one App Key and one Secret must be there: what is nearly a key is a typing error, and
two of a kind are never chosen from. The text of Quick Connect names administration and organisation, too:

    APP_KEY:kpa_…;SECRET_KEY:kps_…;EMAIL_ID:books@example.com;COMPANY_ID:KPNL10001;
"""

import enum
import re
import string
import zlib
from dataclasses import dataclass, field

MOST_BYTES = 4096
APP_KEY, SECRET = "kpa_", "kps_"
_LENGTHS = {APP_KEY: 26, SECRET: 42}
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FEWEST = 6  # characters after a prefix; with fewer somebody writes about keys

_NEAR_KEY = re.compile(r"(kpa_|kps_)([0-9A-Za-z]*?)(?=kpa_|kps_|[^0-9A-Za-z]|\Z)")
_LABEL = re.compile(r"(?P<secret>secret)|(?P<app>app[\s_-]*key)", re.IGNORECASE)
_ORGANISATION = re.compile(r"\bKP[A-Z]{2}[0-9]{1,12}\b", re.ASCII)
_LABELLED_ORGANISATION = re.compile(
    r"COMPANY_ID[\"']?\s*[:=][ \t\"']*([^\s;,\"'}]*)", re.IGNORECASE
)
_EMAIL = re.compile(r"[^\s@;:,\"'`<>()\[\]{}\\\x00-\x20\x7f]{1,64}@[\w-]+(?:\.[\w-]+)+")
_LABELLED_EMAIL = re.compile(
    r"EMAIL_ID[\"']?\s*[:=][ \t\"']*([^\s;,\"'@]*@[^\s;,\"'}]*|[^\s;,\"'}]*)", re.IGNORECASE
)
# As the field of Quick Connect lets it pass; an address without a label has to look like one.
_ADDRESS = re.compile(r"[^\s@;:,\"'<>\x00-\x20\x7f]{1,64}@[\w-]+(?:\.[\w-]+)*")


class Wrong(enum.StrEnum):
    """What is wrong with a pasted text."""

    TOO_LONG = "too long"
    NOTHING = "nothing"
    APP_KEY_MISSING = "app key missing"
    SECRET_MISSING = "secret missing"  # noqa: S105
    TWO_SETS = "two sets"
    TWO_APP_KEYS = "two app keys"
    TWO_SECRETS = "two secrets"
    SWAPPED = "swapped"
    APP_KEY_CUT = "app key cut"
    SECRET_CUT = "secret cut"  # noqa: S105
    APP_KEY_MISTYPED = "app key mistyped"
    SECRET_MISTYPED = "secret mistyped"  # noqa: S105
    BOTH_MISTYPED = "both mistyped"
    ORGANISATION = "organisation"
    EMAIL = "email"


@dataclass(frozen=True)
class Pasted:
    """What was found; `email` and `organisation` are "" where the text says nothing about them."""

    app_key: str
    secret: str = field(repr=False)
    email: str = ""
    organisation: str = ""


@dataclass(frozen=True)
class Problem:
    """Why nothing can be taken from the text."""

    wrong: Wrong


def read(text: str) -> Pasted | Problem:
    """Find one App Key and one Secret in `text`, at most MOST_BYTES in UTF-8. Never raises."""
    if len(text.encode(errors="replace")) > MOST_BYTES:
        return Problem(Wrong.TOO_LONG)
    near = [found for found in _NEAR_KEY.finditer(text) if len(found[2]) >= _FEWEST]
    wrong = _wrong_keys(near) or _wrong_places(text, near)
    if wrong:
        return Problem(wrong)
    email, organisation = _email(text), _organisation(text)
    if email is None:
        return Problem(Wrong.EMAIL)
    if organisation is None:
        return Problem(Wrong.ORGANISATION)
    app_key, secret = (_texts(near, prefix).pop() for prefix in (APP_KEY, SECRET))
    return Pasted(app_key, secret, email, organisation)


def is_key(text: str, prefix: str) -> bool:
    """Say whether `text` has the form and the checksum of an APP_KEY or a SECRET."""
    return (
        len(text) == _LENGTHS[prefix]
        and text.startswith(prefix)
        and set(text[len(prefix) :]) <= set(_ALPHABET)
        and checksum(text[:-6]) == text[-6:]
    )


def checksum(body: str) -> str:
    """The last six characters of the key that begins with `body`."""
    rest, characters = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, len(_ALPHABET))
        characters = _ALPHABET[digit] + characters
    return characters


def wrong_with(text: str, prefix: str) -> Wrong | None:
    """What is wrong with the key that somebody typed into the field for a key with this `prefix`."""
    if is_key(text, prefix):
        return None
    if any(is_key(text, other) for other in (APP_KEY, SECRET)):
        return Wrong.SWAPPED
    cut = text.startswith(prefix) and len(text) < _LENGTHS[prefix]
    if prefix == APP_KEY:
        return Wrong.APP_KEY_CUT if cut else Wrong.APP_KEY_MISTYPED
    return Wrong.SECRET_CUT if cut else Wrong.SECRET_MISTYPED


def _texts(near, prefix):
    return {found[0] for found in near if found[1] == prefix}


def _wrong_keys(near):
    app_keys, secrets = _texts(near, APP_KEY), _texts(near, SECRET)
    number = min(len(app_keys), 2), min(len(secrets), 2)
    if number != (1, 1):
        return {
            (0, 0): Wrong.NOTHING,
            (0, 1): Wrong.APP_KEY_MISSING,
            (1, 0): Wrong.SECRET_MISSING,
            (2, 2): Wrong.TWO_SETS,
        }.get(number, Wrong.TWO_APP_KEYS if number[0] == 2 else Wrong.TWO_SECRETS)
    wrong = {wrong_with(*app_keys, APP_KEY), wrong_with(*secrets, SECRET)} - {None}
    return Wrong.BOTH_MISTYPED if len(wrong) == 2 else next(iter(wrong), None)


def _wrong_places(text, near):
    """Whether every key is labelled as the other one; a label in front of both says nothing."""
    end, labels = 0, set()
    for found in near:
        before = list(_LABEL.finditer(text, max(end, found.start() - 40), found.start()))
        labels.add((found[1], before[-1].lastgroup if before else ""))
        end = found.end()
    return Wrong.SWAPPED if labels == {(APP_KEY, "secret"), (SECRET, "app")} else None


def _email(text):
    labelled = {found[1] for found in _LABELLED_EMAIL.finditer(text)} - {""}
    if labelled:
        [email, *others] = labelled
        return None if others or len(email) > 254 or not _ADDRESS.fullmatch(email) else email
    found = set(_EMAIL.findall(text))
    return found.pop() if len(found) == 1 and len(min(found)) <= 254 else ""


def _organisation(text):
    labelled = {found[1] for found in _LABELLED_ORGANISATION.finditer(text)} - {""}
    if not all(_ORGANISATION.fullmatch(it) for it in labelled):
        return None
    found = labelled or set(_ORGANISATION.findall(text))
    return None if len(found) > 1 else next(iter(found), "")
