"""The served portal under load: hostile requests, parallel clicks, revocation, kill -9."""

import base64
import json
import os
import re
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from portal.demo import story
from tests.connections.test_pages import SECRET
from tests.serving import Caller, Person, database_of, kill, served, serving

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def keys_of(portal, package):
    return next(made for made in portal.demo["connections"] if made["app"] == package)


def raw(portal, header):
    """Send a header as these very bytes; answer the status, or 0 when the connection was closed."""
    host, port = urlsplit(portal.url).netloc.split(":")
    request = b"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + header
    with socket.create_connection((host, int(port)), timeout=10) as line, suppress(ConnectionError):
        line.sendall(request + b"\r\n\r\n")
        answer = line.recv(65536)
        return int(answer.split()[1]) if answer else 0
    return 0


HEADERS = [
    b"Authorization: Basic " + bytes([byte]) * 8 for byte in (0x00, 0x01, 0x7F, 0x80, 0xC3, 0xFF)
] + [
    b"Authorization: Basic " + base64.b64encode(text)
    for text in (
        b"\x00:\x00",
        b"kpa_" + b"\xff" * 22 + b":kps_" + b"\xff" * 38,
        "kpa_\ud800:kps_\udfff".encode("utf-8", "surrogatepass"),
        b"a" * 6000,
        b":",
        b"",
    )
] + [
    b"Authorization: Basic eDp5\r\nAuthorization: Basic eDp5",
    b"Authorization: " + b"Basic " * 500,
    b"Idempotency-Key: \xf0\x9f\x92\xa3\r\nAuthorization: Basic eDp5",
    b"X-Long: " + b"x" * 200_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory, django_db_setup, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        served(tmp_path_factory.mktemp("x") / "data", workers=4) as it,
    ):
        yield it


def test_hostile_headers_are_refused_and_the_portal_goes_on(portal):
    answers = {header[:40]: raw(portal, header) for header in HEADERS}

    assert set(answers.values()) <= {0, 400, 401, 431}, answers
    yuki = keys_of(portal, "Yuki")
    caller = Caller(portal.url, yuki["app_key"], yuki["secret"])
    with closing(caller.connection):
        assert caller.me() == 200
    assert "Traceback" not in portal.log.read_text()


def test_two_clicks_at_the_same_instant_make_one_set(portal):
    page = f"/organisations/{keys_of(portal, 'Basecone')['organisation']}/connections/2/keys/"
    people = [Person(portal.url) for _ in range(4)]
    for person in people:
        person.log_in("sanne@demolen.example", story.PASSWORD)
        person.get(page)
    statuses = []
    start = threading.Barrier(len(people))

    def click(person):
        start.wait()
        statuses.append(person.post(page, op_id="7" * 32))

    threads = [threading.Thread(target=click, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200, 409, 409, 409]
    assert sum(bool(SECRET.search(person.page)) for person in people) == 1


class Load(threading.Thread):
    """Software that calls without a pause and notes when each call began and how it ended."""

    def __init__(self, url, keys, stop):
        super().__init__()
        self.caller = Caller(url, keys["app_key"], keys["secret"])
        self.stop = stop
        self.calls = []

    def run(self):
        with closing(self.caller.connection):
            while not self.stop.is_set():
                began = time.monotonic()
                self.calls.append((began, self.caller.me()))

    def after(self, moment):
        """The results of the calls that began after that moment."""
        return [result for began, result in list(self.calls) if began > moment]


ENOUGH = 5  # calls of each program before the click and after the answer, however slow the machine


@contextmanager
def under_load(portal, keys):
    """Programs that call with these keys, one for each, from before the block until its end."""
    stop = threading.Event()
    load = [Load(portal.url, of_one, stop) for of_one in keys]
    for thread in load:
        thread.start()
    try:
        wait_until(lambda: all(len(thread.calls) >= ENOUGH for thread in load))
        yield load
    finally:
        stop.set()
        for thread in load:
            thread.join()


@pytest.mark.parametrize(("package", "ending"), [("Yuki", "keys"), ("Webshop", "revoke")])
def test_no_call_that_begins_after_the_portals_answer_succeeds(portal, package, ending):
    place, keys = next(
        (place, keys)
        for place, keys in enumerate(portal.demo["connections"], 1)
        if keys["app"] == package
    )
    page = f"/organisations/{keys['organisation']}/connections/{place}/{ending}/"
    person = Person(portal.url)
    person.log_in("sanne@demolen.example", story.PASSWORD)
    person.get(page)
    with under_load(portal, [keys] * 8) as load:
        status = person.post(page, op_id="1" * 32)
        answered = time.monotonic()
        wait_until(lambda: all(len(thread.after(answered)) >= ENOUGH for thread in load))

    assert status == 200
    assert all(thread.calls[0][1] == 200 for thread in load)
    assert {result for thread in load for result in thread.after(answered)} == {401}


def test_a_partnership_that_ends_ends_its_keys_and_no_others(portal):
    """The accountant's keys die with the answer; those that the client made itself go on (R34)."""
    theirs, own = keys_of(portal, "Informer"), keys_of(portal, "Twinfield")
    assert theirs["organisation"] == own["organisation"]
    person = Person(portal.url)
    person.log_in("peter@vandijk.example", story.PASSWORD)
    person.get("/partners/")
    active = re.search(r'href="(/partners/[0-9a-f-]{36}/)"', person.page)[1]
    person.get(f"{active}end/")
    with under_load(portal, [theirs] * 4 + [own] * 4) as load:
        status = person.post(f"{active}end/")
        answered = time.monotonic()
        wait_until(lambda: all(len(thread.after(answered)) >= ENOUGH for thread in load))

    assert status == 200
    assert all(thread.calls[0][1] == 200 for thread in load)
    assert [set(thread.after(answered)) for thread in load] == [{401}] * 4 + [{200}] * 4


LINES = int(os.environ.get("LINES_OF_FILE", "150"))


def test_a_file_of_requests_survives_kill_9_and_mails_each_client_once(tmp_path):
    """LINES_OF_FILE=5000 tries it at the size of a large accountancy."""
    data = tmp_path / "data"
    with served(data) as portal:
        person = Person(portal.url)
        batch = send_file(person, LINES)
        wait_until(lambda: len(requested(data)) >= LINES // 10)
        kill(portal.process)
    before = requested(data)

    with serving(data):
        wait_until(lambda: len(requested(data)) >= LINES)
        time.sleep(2)

    assert 0 < len(before) < LINES
    assert sorted(requested(data)) == sorted(f"c{n}@many.example" for n in range(LINES))
    with database_of(data) as database:
        [finished] = database.execute(
            "SELECT finished_at FROM partners_batch"
            f" WHERE replace(CAST(uuid AS text), '-', '') = '{batch.replace('-', '')}'"
        ).fetchone()
    assert finished


def send_file(person, lines):
    """Upload a file with that many requests as the accountant, and start sending."""
    text = "client name;email;package;registration number\n" + "".join(
        f"Client {n};c{n}@many.example;Yuki;{80_000_000 + n}\n" for n in range(lines)
    )
    person.log_in("willem@noord.example", story.PASSWORD)
    person.get("/authorisations/file/")
    person.upload("/authorisations/file/", file=("clients.csv", text.encode()))
    batch = re.search(r"/authorisations/file/([0-9a-f-]{36})/", person.page)[1]
    assert person.post(f"/authorisations/file/{batch}/send/") == 200
    return batch


def requested(data):
    """The addresses to which a mail with a request was written, as often as it was."""
    with database_of(data) as database:
        rows = database.execute("""SELECT "to" FROM mail_mail WHERE "to" LIKE '%@many.example'""")
        return [to for [to] in rows]


def wait_until(holds, seconds=240):
    for _ in range(seconds * 10):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("It did not come about.")


KILLS = int(os.environ.get("KILLS", "1"))


def test_no_acknowledged_invoice_is_lost_or_doubled_by_kill_9(tmp_path):
    """KILLS=20 tries it that often; software repeats what was not answered, under the same key."""
    data = tmp_path / "data"
    acknowledged, tried = {}, {}  # answers and documents, by number
    with served(data) as portal:
        seller = keys_of(portal, "Yuki")
        send_until_killed(portal, seller, "0", acknowledged, tried)
    for count in range(1, KILLS):
        with serving(data) as portal:
            repeat_the_rest(portal, seller, acknowledged, tried)
            send_until_killed(portal, seller, str(count), acknowledged, tried)

    with serving(data) as portal:
        answered, stored_before = set(acknowledged), all_sent(portal, seller)
        repeat_the_rest(portal, seller, acknowledged, tried)
        stored = all_sent(portal, seller)

    ours = [number for number in stored if number in tried]
    assert len(acknowledged) >= 20 * KILLS
    assert answered <= set(stored_before)
    assert sorted(ours) == sorted(tried)


def send_until_killed(portal, seller, name, acknowledged, tried):
    """Send from four programs, end everything with kill -9 after twenty answers more."""
    template = Path(settings.BASE_DIR, "docs", "samples", "invoice.xml").read_bytes()
    goal, enough = len(acknowledged) + 20, threading.Event()

    def send(program):
        caller = Caller(portal.url, seller["app_key"], seller["secret"])
        with closing(caller.connection), suppress(OSError, HTTPException):
            for count in range(1000):
                number = f"{name}-{program}-{count}"
                tried[number] = template.replace(b"2026-0200", number.encode())
                status, answer = caller.send(seller["organisation"], tried[number], number)
                assert status == 201, answer
                acknowledged[number] = answer
                if len(acknowledged) >= goal:
                    enough.set()

    threads = [threading.Thread(target=send, args=[program]) for program in "abcd"]
    for thread in threads:
        thread.start()
    assert enough.wait(240)
    kill(portal.process)
    for thread in threads:
        thread.join()


def repeat_the_rest(portal, seller, acknowledged, tried):
    caller = Caller(portal.url, seller["app_key"], seller["secret"])
    with closing(caller.connection):
        for number in tried.keys() - acknowledged.keys():
            status, answer = caller.send(seller["organisation"], tried[number], number)
            assert status in (200, 201), answer
            acknowledged[number] = answer


def all_sent(portal, seller):
    caller = Caller(portal.url, seller["app_key"], seller["secret"])
    numbers, cursor = [], ""
    with closing(caller.connection):
        while cursor is not None:
            address = f"/api/v1/{seller['organisation']}/outbox?limit=100&next={cursor}"
            page = json.loads(caller.get(address))
            numbers += [item["number"] for item in page["items"]]
            cursor = page["next"]
    return numbers
