"""Bytes that no library sends, to a served portal: an answer or a closed line, never a 500, never a leak.

RAW_CASES=50000 sends that many; without it a few.
"""

# ruff: noqa: E501 (one request a line)

import os
import random
import re
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.serving import served
from tests.software import basic

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

CASES = int(os.environ.get("RAW_CASES", "120"))
AUTH = "Authorization: {auth}\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"

# What one header says and another denies: (request line, headers, body)
TRICKS = [
    ("GET /api/v1/me", AUTH + AUTH, ""),
    ("GET /api/v1/me", AUTH + "authorization: Basic eDp5\r\n", ""),
    ("GET /api/v1/me", "Authorization: Basic eDp5\r\n" + AUTH, ""),
    ("GET /api/v1/me", AUTH + "Authorization: Bearer kpt_x\r\n", ""),
    ("GET /api/v1/me", "Authorization:\r\n {auth}\r\n", ""),
    ("GET /api/v1/me", "Authorization : {auth}\r\n", ""),
    ("GET /api/v1/me?access_token={secret}", AUTH, ""),
    ("GET /api/v1/me?a=%00%ff%ed%a0%80", AUTH, ""),
    ("GET /api/v1/me#x", AUTH, ""),
    ("GET /api/v1/%2e%2e/v1/me", AUTH, ""),
    ("GET //api/v1/me", AUTH, ""),
    ("GET http://localhost/api/v1/me", AUTH, ""),
    ("GET /api/v1/\udcff\udcfe/inbox", AUTH, ""),
    ("GET /api/v1/%FF%FE/inbox", AUTH, ""),
    ("GET /api/v1/parties?q=%00abc", AUTH, ""),
    ("GET /api/v1/parties/%00", AUTH, ""),
    ("GET /api/v1/verify?function=%ff&organisation=%00", AUTH, ""),
    ("TRACE /api/v1/me", AUTH, ""),
    ("CONNECT /api/v1/me", AUTH, ""),
    ("BREW /api/v1/me", AUTH, ""),
    ("POST /api/v1/token", AUTH + FORM + "Content-Length: 29\r\n", "grant_type=client_credentials"),
    ("POST /api/v1/token", AUTH + FORM + "Content-Length: 5\r\nContent-Length: 29\r\n", "grant_type=client_credentials"),
    ("POST /api/v1/token", AUTH + FORM + "Content-Length: 29\r\nTransfer-Encoding: chunked\r\n", "1d\r\ngrant_type=client_credentials\r\n0\r\n\r\n"),
    ("POST /api/v1/token", AUTH + FORM + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    ("POST /api/v1/token", AUTH + FORM + "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    ("POST /api/v1/token", AUTH + FORM + "Transfer-Encoding: chunked\r\n", "zz\r\n"),
    ("POST /api/v1/token", AUTH + FORM + "Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n"),
    ("POST /api/v1/token", AUTH + FORM + "Content-Length: -1\r\n", ""),
    ("POST /api/v1/token", AUTH + FORM + "Content-Length: 99999999999999999999\r\n", ""),
    ("POST /api/v1/token", AUTH + FORM + "Content-Length: +29\r\n", "grant_type=client_credentials"),
    ("POST /api/v1/token", AUTH + FORM + "Content-Length: 100\r\n", "grant_type=client_credentials"),
    ("POST /api/v1/token", FORM + "Content-Length: 400\r\n", "client_id={key}&client_secret={secret}"),
    ("POST /api/v1/token", AUTH + "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 4\r\n", "--x\r"),
    ("POST /api/v1/token", AUTH + FORM[:-2] + "; charset=utf-7\r\nContent-Length: 9\r\n", "a=+AGEAYg"),
    ("POST /api/v1/introspect", AUTH + FORM + "Content-Length: 7\r\n", "token=x"),
    ("POST /api/v1/{org}/outbox", AUTH + "Content-Encoding: gzip\r\nContent-Length: 2\r\n", "\x1f\x8b"),
    ("POST /api/v1/{org}/outbox", AUTH + "Idempotency-Key: \udcff\r\nContent-Length: 1\r\n", "<"),
    ("POST /api/v1/{org}/outbox", AUTH + "Content-Length: 40\r\n", '<?xml version="1.0" encoding="utf-99"?>x'),
    ("POST /api/v1/{org}/integration-requests", AUTH + "Content-Length: 8\r\n", '{"a":1e9'),
    ("POST /api/v1/{org}/integration-requests", AUTH + "Content-Length: 2\r\n", "\udcff\udcfe"),
    ("GET /api/v1/me", AUTH + "Cookie: " + "a=b; " * 900 + "\r\n", ""),
    ("GET /api/v1/me", AUTH + "X-Request-ID: x\r\n\tfolded\r\n", ""),
    ("GET /api/v1/me", AUTH + "Host: evil.example\r\n", ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory, django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), served(tmp_path_factory.mktemp("raw") / "data") as portal:
        made = next(made for made in portal.demo["connections"] if made["app"] == "Yuki")
        portal.values = {
            "auth": basic(made["app_key"], made["secret"]),
            "key": made["app_key"],
            "secret": made["secret"],
            "org": made["organisation"],
        }
        yield portal


def exchange(portal, request: bytes, patience=10):
    """Send these very bytes and no more; the statuses and the text of what comes back."""
    host, port = urlsplit(portal.url).netloc.split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=patience) as line, suppress(OSError):
        line.sendall(request)
        while part := line.recv(65536):
            answer += part
    text = answer.decode("latin-1")
    return [int(status) for status in re.findall(r"HTTP/1\.[01] (\d{3})", text)], text


def written(portal, line, headers, body, host="Host: localhost\r\n"):
    text = f"{line} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n{body}"
    for name, value in portal.values.items():
        text = text.replace(f"{{{name}}}", value)
    return text.encode("utf-8", "surrogateescape")


def mutated(request, chance):
    """The request with a few bytes changed, taken out, doubled or moved."""
    request = bytearray(request)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(request))
        match chance.randrange(4):
            case 0:
                request[place] = chance.randrange(256)
            case 1:
                del request[place : place + chance.randint(1, 9)]
            case 2:
                request[place:place] = request[place : place + chance.randint(1, 40)]
            case 3:
                request[place:place] = chance.choice(
                    [b"\r\n", b"\0", b"\xff", b" ", b":", b"%", b"{"]
                )
        if not request:
            return b"\r\n"
    return bytes(request)


def test_no_bytes_break_the_api(portal):
    chance = random.Random(1)  # noqa: S311 (the same cases every time)
    tricks = [written(portal, *trick) for trick in TRICKS]
    requests = tricks + [mutated(chance.choice(tricks), chance) for _ in range(CASES - len(tricks))]

    broken = []
    for request in requests:
        statuses, text = exchange(
            portal, request, patience=0.5
        )  # some wait for bytes that never come
        # a page that is none of the API says its own address again, whatever the caller wrote into it
        told = portal.values["secret"] in text and b"kps_" not in request.splitlines()[0]
        if told or any(status >= 500 for status in statuses):
            broken.append((request, text))

    assert broken == []
    assert exchange(portal, written(portal, "GET /api/v1/me", AUTH, ""))[0] == [200]
    assert "Internal Server Error" not in portal.log.read_text()
    for two_credentials in tricks[:4]:
        assert exchange(portal, two_credentials)[0] in ([400], [401])
