"""Requests to addresses that people name: to the public internet alone, whatever they type (decision 28).

    answer = post("https://package.example/invoices", body, {"content-type": "application/json"})

The name is resolved once, all its addresses are judged, and the connection goes to one of those: a name that
resolves to something else a moment later changes nothing. The certificate is still that of the name.
"""

import ipaddress
import re
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import httpcore
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

CONNECT_SECONDS = 5  # for one address
SILENT_SECONDS = 10  # without a byte in either direction
LONGEST_SECONDS = 30  # for all of it, from the connection to the last byte
MOST_BYTES = 4096  # of an answer; the rest is not read
MOST_TRIED = 3  # addresses of one name
_NAME = re.compile(
    r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])"
)
_PRINTABLE = re.compile(r"[!-~]+")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PUBLIC_6 = ipaddress.ip_network("2000::/3")
# What Python calls global, or did in some version, and where no server of a package can be.
_ELSEWHERE = [
    ipaddress.ip_network(network)
    for network in (
        *(
            "192.0.0.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.175.48.0/24",
        ),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20"),
    )
]


class NotAnswered(Exception):
    """There was no answer; `why` is one of these words."""

    REFUSED_ADDRESS = "address"
    UNKNOWN_NAME = "name"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    TOO_SLOW = "slow"
    STRANGE = "strange"

    def __init__(self, why):
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and the beginning of the text. Redirects are answers like any other."""

    status: int
    text: str
    retry_after: str = ""

    @property
    def is_good(self):
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Place:
    """Where an address leads."""

    scheme: str
    host: str
    port: int
    is_allowed: bool  # named by the operator, wherever it is


def validate_address(url: str) -> None:
    """Refuse what can never be an address on the public internet, without looking a name up.

    An https address with a name, on port 443 or from 1024 on, without a login and a fragment. A host that the
    operator named in PORTAL_AUTOPILOT_PRIVATE may be anywhere, and need no https. Raises ValidationError.
    """
    place_of(url)


def place_of(url: str) -> Place:
    """The same, and answer where the address leads."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong() from None
    if not _PRINTABLE.fullmatch(url) or "\\" in url or "@" in parts.netloc or "#" in url:
        raise _wrong()
    if port is None:
        port = {"https": 443, "http": 80}.get(parts.scheme)
    if f"{host}:{port}" in settings.AUTOPILOT_PRIVATE and parts.scheme in ("http", "https"):
        return Place(parts.scheme, host, port, True)
    if parts.scheme != "https":
        raise ValidationError(_("The address must begin with https://."))
    if not _NAME.fullmatch(host):
        raise ValidationError(
            _("Use the name of a server on the internet, such as books.example.com, not a number.")
        )
    if port != 443 and port < 1024:
        raise ValidationError(_("The port must be 443, or 1024 and higher."))
    return Place(parts.scheme, host, port, False)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    Addresses of IPv6 that carry one of IPv4 are refused, but those of NAT64 when the inner one is public.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.version == 6 and ip in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    if ip.version == 6 and (ip not in _PUBLIC_6 or ip.scope_id):
        return False
    special = ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_unspecified
    return ip.is_global and not special and not any(ip in net for net in _ELSEWHERE)


def addresses_of(place: Place, resolve=socket.getaddrinfo) -> list[str]:
    """The IP addresses of `place`. Raises NotAnswered, also when a single one of them is not public."""
    try:
        found = resolve(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotAnswered(NotAnswered.UNKNOWN_NAME) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise NotAnswered(NotAnswered.UNKNOWN_NAME)
    if not place.is_allowed and not all(map(is_public, addresses)):
        raise NotAnswered(NotAnswered.REFUSED_ADDRESS)
    return addresses


def post(url, body, headers, *, seconds=LONGEST_SECONDS, resolve=socket.getaddrinfo, context=None):
    """Send `body` to `url` and answer an Answer; everything ends within `seconds` after the name is known.

    No redirect is followed, no proxy of the machine is used, no cookie is kept. Raises NotAnswered.
    """
    try:
        place = place_of(url)
    except ValidationError:
        raise NotAnswered(NotAnswered.REFUSED_ADDRESS) from None
    network = _Pinned(addresses_of(place, resolve), time.monotonic() + seconds)
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=context or _certificates(), network_backend=network
            ) as pool,
            pool.stream("POST", url, headers=headers, content=body) as response,
        ):
            return Answer(response.status, _beginning(response), _header(response, b"retry-after"))
    except httpcore.TimeoutException:
        raise NotAnswered(NotAnswered.TOO_SLOW) from None
    except httpcore.ConnectError as error:
        bad = isinstance(error.__context__, ssl.SSLCertVerificationError)
        why = NotAnswered.CERTIFICATE if bad else NotAnswered.UNREACHABLE
        raise NotAnswered(why) from None
    except httpcore.NetworkError:
        raise NotAnswered(NotAnswered.UNREACHABLE) from None
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
        raise NotAnswered(NotAnswered.STRANGE) from None


class _Pinned(httpcore.NetworkBackend):
    """Connects to addresses that were judged, whatever the name means by now, until the end of its time."""

    def __init__(self, addresses, end):
        self._addresses, self._end = addresses[:MOST_TRIED], end
        self._network = httpcore.SyncBackend()

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        for address in self._addresses:
            try:
                stream = self._network.connect_tcp(
                    address, port, _left(self._end, CONNECT_SECONDS, httpcore.ConnectTimeout)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Timed(stream, self._end)
        raise failed


class _Timed(httpcore.NetworkStream):
    """A stream whose every step ends in time: one byte now and then keeps it open no longer."""

    def __init__(self, stream, end):
        self._stream, self._end = stream, end

    def read(self, max_bytes, timeout=None):
        left = _left(self._end, SILENT_SECONDS, httpcore.ReadTimeout)
        return self._stream.read(max_bytes, left)

    def write(self, buffer, timeout=None):
        part = 64 * 1024  # each with its own look at the clock
        for start in range(0, len(buffer), part):
            left = _left(self._end, SILENT_SECONDS, httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + part], left)

    def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        left = _left(self._end, SILENT_SECONDS, httpcore.ConnectTimeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._end)

    def close(self):
        self._stream.close()

    def get_extra_info(self, info):
        return self._stream.get_extra_info(info)


def _left(end, most, too_late):
    left = min(most, end - time.monotonic())
    if left <= 0:
        raise too_late
    return left


def _beginning(response):
    body = bytearray()
    for part in response.iter_stream():
        body += part
        if len(body) >= MOST_BYTES:
            break
    return bytes(body[:MOST_BYTES]).decode(errors="replace").replace("\0", "\ufffd")


def _header(response, name):
    found = (value for key, value in response.headers if key.lower() == name)
    return next(found, b"").decode("latin-1")


def _wrong():
    return ValidationError(
        _(
            "This is no address that can be called. It looks like https://books.example.com/invoices."
        )
    )


@cache
def _certificates():
    return ssl.create_default_context()
