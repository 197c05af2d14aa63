"""The portal's HTTP API as its public documentation describes it (docs/api.md), and nothing else of it.

    with Api(app_key, secret) as api:
        api.me()

Every failure is a Failed, whose `finding` is plain data that connections.books.findings says in sentences.
"""

import json
import re
import ssl
import threading
import time
import uuid
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from urllib.parse import urlsplit, urlunsplit

import httpx
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

TIMEOUT = httpx.Timeout(8, connect=2)
LONGEST = 20  # seconds for one whole answer
MOST_BYTES = 12 * 1024 * 1024
PAGE = 100
_SAID = (
    "code",
    "message",
    "request_id",
    "help",
    "reason",
    "since",
    "scope",
    "function",
    "details",
    "id",
)

# Where Books and the portal are one server, a page of Books waits for another thread: one must stay free.
_places = threading.BoundedSemaphore(settings.BOOKS_AT_ONCE)


class Failed(Exception):
    """A call did not do what was asked. `finding` holds no key."""

    def __init__(self, what: str, **more):
        super().__init__(what)
        self.finding = {"what": what, **more}


@dataclass(frozen=True)
class Organisation:
    id: str
    name: str
    registration_number: str
    country: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Me:
    """What the keys are."""

    app: str
    functions: tuple[str, ...]
    organisations: tuple[Organisation, ...]


@dataclass(frozen=True)
class Listed:
    """A line of the inbox or the outbox."""

    id: str
    number: str
    issue_date: str
    currency: str
    total: Decimal
    other_party: str
    state: str
    sha256: str


class Api:
    """One visit to the API; the keys are in no message, no representation and no log."""

    @sensitive_variables()
    def __init__(self, app_key: str, secret: str):
        self._keys = httpx.BasicAuth(app_key, secret)

    def __enter__(self):
        if not _places.acquire(blocking=False):
            raise Failed("busy")
        try:
            self._client = httpx.Client(
                auth=self._keys,
                timeout=TIMEOUT,
                verify=_certificates(),
                follow_redirects=False,
                trust_env=False,  # no proxy and no .netrc of the machine gets to see the keys
                headers={"Accept-Encoding": "identity", "User-Agent": "Koppel-Books/1"},
            )
        except BaseException:
            _places.release()
            raise
        return self

    def __exit__(self, *error):
        self._client.close()
        _places.release()

    def me(self) -> Me:
        """Who the keys are, with all the organisations that they may be used for."""
        said = self._json("GET", "/me")
        with _as_documented():
            functions = tuple(str(it["function"]) for it in said["functions"])
            organisations = [_organisation(it) for it in said["organisations"]]
            app = str(said["app"])
        if "GetAccountParties" in functions:
            more = self._json("GET", "/organisations")
            with _as_documented():
                organisations += [_organisation(it) for it in more]
        found = {it.id: it for it in organisations}
        return Me(app, functions, tuple(found.values()))

    def inbox(self, organisation: str, **query) -> tuple[list[Listed], str | None]:
        """A page of received invoices, and the cursor of the next one."""
        return self._list(f"/{organisation}/inbox", "sender", "delivery", query)

    def outbox(self, organisation: str, **query) -> tuple[list[Listed], str | None]:
        """A page of sent invoices, and the cursor of the next one."""
        return self._list(f"/{organisation}/outbox", "receiver", "status", query)

    def document(self, organisation: str, id: str) -> bytes:
        """The XML of a received invoice."""
        return self._call("GET", f"/{organisation}/inbox/{id}")

    def confirm(self, organisation: str, id: str) -> None:
        """Say that a received invoice is stored here."""
        self._call("POST", f"/{organisation}/inbox/{id}/confirm")

    def send(self, organisation: str, xml: bytes, idempotency_key: str) -> dict:
        """Send an invoice; the same again under the same key is safe. Answers what the API said."""
        headers = {"Content-Type": "application/xml", "Idempotency-Key": idempotency_key}
        said = self._json("POST", f"/{organisation}/outbox", content=xml, headers=headers)
        with _as_documented():
            return {"id": str(uuid.UUID(said["id"])), "status": str(said["status"])}

    def _list(self, path, party, state, query):
        said = self._json("GET", path, params={"limit": PAGE, **query})
        with _as_documented():
            return [_listed(it, party, state) for it in said["items"]], said["next"]

    def _json(self, method, path, **options):
        body = self._call(method, path, **options)
        with _as_documented():
            return json.loads(body)

    def _call(self, method, path, **options) -> bytes:
        try:
            with self._client.stream(method, settings.BOOKS_API + path, **options) as response:
                status, body = response.status_code, _read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise Failed("dead") from None
        except httpx.TimeoutException:
            raise Failed("slow") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise Failed("strange") from None
        if 200 <= status < 300:
            return body
        raise Failed(**_refusal(status, body))


def _read(response):
    body, end = bytearray(), time.monotonic() + LONGEST
    for part in response.iter_raw():
        body += part
        if len(body) > MOST_BYTES:
            raise Failed("strange")
        if time.monotonic() > end:
            raise Failed("slow")
    return bytes(body)


def _refusal(status, body):
    """What the API says about a refusal; "strange" where no API speaks, such as a proxy or a login page."""
    try:
        said = json.loads(body)
        code = said["code"]
    except (ValueError, KeyError, TypeError):
        return {"what": "strange", "status": status}
    if not isinstance(code, str):
        return {"what": "strange", "status": status}
    kept = {name: said[name][:500] for name in _SAID if isinstance(said.get(name), str)}
    if isinstance(said.get("details"), list):
        kept["details"] = str(said["details"])[:500]
    return {"what": "refused", "status": status, **kept}


class _as_documented:  # noqa: N801 (reads as a sentence)
    """Whatever cannot be read as the documentation says is one failure."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        unreadable = ValueError | TypeError | LookupError | AttributeError | InvalidOperation
        if isinstance(error, unreadable | RecursionError):
            raise Failed("strange") from None


def _organisation(said):
    if not re.fullmatch(r"[0-9A-Za-z]{1,20}", said["id"]):
        raise ValueError
    return Organisation(
        id=said["id"],
        name=str(said["name"])[:200],
        registration_number=str(said["registration_number"]),
        country=str(said["country"]),
        addresses=tuple(map(str, said["addresses"])),
    )


def _listed(said, party, state):
    return Listed(
        id=str(uuid.UUID(said["id"])),
        number=str(said["number"])[:100],
        issue_date=str(said["issue_date"])[:10],
        currency=str(said["currency"])[:3],
        total=Decimal(said["total"]).quantize(Decimal("0.01")),
        other_party=str(said[party]["name"] or said[party]["address"])[:200],
        state=str(said[state]),
        sha256=str(said["sha256"]),
    )


def portal_address() -> str:
    """Where people find the portal: the host of its API."""
    return urlunsplit((*urlsplit(settings.BOOKS_API)[:2], "/", "", ""))


@cache
def _certificates():
    return ssl.create_default_context()
