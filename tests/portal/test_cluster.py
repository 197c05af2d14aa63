"""Three instances and two workers behind the nginx that deploy/ describes."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
from django.conf import settings

from portal.demo import story
from tests import cluster
from tests.serving import Caller, Person, processes_of
from tests.software import cookies_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not cluster.NGINX, reason="no nginx"),
]
INVOICE = Path(settings.BASE_DIR, "docs", "samples", "invoice.xml").read_bytes()


@pytest.fixture(scope="module")
def portal(tmp_path_factory, django_db_setup, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        pytest.MonkeyPatch.context() as patch,
        cluster.cluster(tmp_path_factory.mktemp("cluster")) as it,
    ):
        patch.setenv("SSL_CERT_FILE", str(it.certificate))
        yield it


def keys_of(portal, package="Yuki"):
    return next(made for made in portal.demo["connections"] if made["app"] == package)


def call(portal, method, path, headers=None, *, port=None, tls=True, source=None):
    """Status, headers and text of one request to nginx, or to another port."""
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    address = ("localhost", port or portal.https)
    with closing(kind(*address, timeout=30, source_address=source and (source, 0))) as line:
        line.request(method, path, headers=headers or {})
        answer = line.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def test_who_signs_in_at_one_instance_is_known_to_the_others(portal):
    person = Person(portal.url)
    person.log_in("sanne@demolen.example", story.PASSWORD)
    cookies = "; ".join(f"{it.name}={it.value}" for it in cookies_of(person))
    told = {"Cookie": cookies, "X-Forwarded-Proto": "https"}

    answers = [
        call(portal, "GET", "/connections/", told, port=port, tls=False) for port in portal.ports
    ]

    assert [status for status, _headers, _text in answers] == [200, 200, 200]
    assert {it.name for it in cookies_of(person)} == {"__Host-sessionid", "__Host-csrftoken"}


def test_without_tls_pages_redirect_and_the_api_refuses(portal):
    claim = {"X-Forwarded-Proto": "https"}
    status, headers, _text = call(portal, "GET", "/x?y=1", claim, port=portal.http, tls=False)
    assert (status, headers["Location"]) == (301, f"{portal.url}/x?y=1")

    status, headers, _text = call(portal, "GET", "/api/v1/me", claim, port=portal.http, tls=False)
    assert (status, headers["Location"]) == (403, None)


def test_what_clients_say_of_themselves_is_overwritten(portal):
    forged = {
        "X-Forwarded-Proto": "http",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "evil.example",
    }
    keys = keys_of(portal)
    with closing((caller := Caller(portal.url, keys["app_key"], keys["secret"])).connection):
        assert caller.me(**forged) == 200
    assert call(portal, "GET", "/accounts/login/", forged)[0] == 200

    assert soon(lambda: "127.0.0.0/24" in networks(portal))
    assert "203.0.113.0/24" not in networks(portal)


def networks(portal):
    return rows(portal, "SELECT last_network FROM connections_callcount")


def test_an_instance_that_expects_no_proxy_believes_no_header(portal):
    port = cluster.free_port()
    portal.serve(port, PORTAL_PROXIES="0")
    cluster.answers(f"http://localhost:{port}/health/ready")

    claim = {"X-Forwarded-Proto": "https"}
    status, headers, _text = call(portal, "GET", "/accounts/login/", claim, port=port, tls=False)

    assert (status, headers["Location"]) == (301, f"https://localhost:{port}/accounts/login/")
    portal.instances.pop(port).terminate()


def test_health_is_for_this_machine(portal):
    assert call(portal, "GET", "/health/ready")[0] == 200
    assert call(portal, "GET", "/health/ready", source="127.0.0.2")[0] == 403


def test_the_log_names_requests_and_holds_no_query(portal):
    headers = call(portal, "GET", "/accounts/login/?next=canary")[1]
    call(portal, "GET", "/accounts/password/reset/key/3-canary/")

    log = (portal.folder / "koppel.log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert headers["X-Request-ID"] in [line["request_id"] for line in lines]
    assert "canary" not in log


def test_static_files_are_kept_by_nginx_and_pages_are_not_compressed(portal):
    pages = call(portal, "GET", "/accounts/login/", {"Accept-Encoding": "gzip"})
    style = re.search(r'href="(/static/[^"]+\.css)"', pages[2])[1]

    assert call(portal, "GET", style)[0] == 200
    assert "Content-Encoding" not in pages[1]


def test_slow_clients_keep_nobody_waiting(portal):
    address = ("localhost", portal.https)
    head = "POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\n"
    body = f"{head}Content-Length: 1000\r\n\r\nlogin="
    lines = []
    for text in [head] * 100 + [body] * 50:
        plain = socket.create_connection(address)
        lines.append(portal.trust().wrap_socket(plain, server_hostname="localhost"))
        lines[-1].sendall(text.encode())

    began = time.monotonic()
    statuses = {call(portal, "GET", "/accounts/login/")[0] for _ in range(10)}
    for line in lines:
        line.close()

    assert statuses == {200}
    assert time.monotonic() - began < 10


class Load(threading.Thread):
    """Somebody who asks without a pause, and notes each answer."""

    def __init__(self, ask, stop):
        super().__init__()
        self.ask, self.stop, self.answers = ask, stop, Counter()

    def run(self):
        while not self.stop.is_set():
            try:
                self.answers[self.ask()] += 1
            except Exception as problem:
                self.answers[repr(problem)] += 1
            time.sleep(0.02)


@pytest.mark.parametrize("way", ["reload", "restart"])
def test_instances_are_replaced_one_by_one_without_a_failed_request(portal, way):
    keys = keys_of(portal)
    person = Person(portal.url)
    person.log_in("sanne@demolen.example", story.PASSWORD)
    callers = [Caller(portal.url, keys["app_key"], keys["secret"]) for _ in range(3)]
    numbers = iter(range(10_000))

    def send():
        number = f"{way}-{next(numbers)}"
        document = INVOICE.replace(b"2026-0200", number.encode())
        return callers[2].send(keys["organisation"], document, number)[0]

    stop = threading.Event()
    asks = (callers[0].me, callers[1].me, send, lambda: person.get("/connections/"))
    load = [Load(ask, stop) for ask in (*asks, lambda: call(portal, "GET", "/accounts/login/")[0])]
    for thread in load:
        thread.start()
    for port in portal.ports:
        {"reload": reload, "restart": restart}[way](portal, port)
    stop.set()
    for thread in load:
        thread.join()
    for caller in callers:
        caller.connection.close()

    assert [set(thread.answers) for thread in load] == [{200}, {200}, {201}, {200}, {200}]
    assert all(thread.answers.total() > 10 for thread in load)
    stored = rows(portal, "SELECT number FROM invoices_invoice")
    assert sum(number.startswith(way) for number in stored) == load[2].answers.total()


def reload(portal, port):
    process = portal.instances[port]
    before = set(processes_of(process.pid)) - {process.pid}
    process.send_signal(signal.SIGHUP)
    assert soon(lambda: before.isdisjoint(processes_of(process.pid)))


def restart(portal, port):
    process = portal.instances[port]
    process.terminate()
    assert process.wait(30) == 0
    portal.serve(port)
    cluster.answers(f"http://localhost:{port}/health/ready")


class Mailbox(ThreadingTCPServer):
    """A mail server that keeps what it is given. After `most` mails it no longer answers, until told to."""

    daemon_threads = True

    def __init__(self, most):
        super().__init__(("127.0.0.1", 0), MailHandler)
        self.most, self.came, self.go_on = most, [], threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class MailHandler(StreamRequestHandler):
    def handle(self):
        self.say("220 here")
        while line := self.rfile.readline():
            command = line[:4].upper()
            self.say("354 go on" if command == b"DATA" else "250 ok")
            if command == b"DATA":
                self.take()

    def take(self):
        text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
        self.server.came.append(re.search(r"Subject: (.*)\r", text)[1])
        if len(self.server.came) >= self.server.most:
            self.server.go_on.wait(60)
        self.say("250 taken")

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


MAILS = """
from accounts.mail.models import Mail
mails = [Mail(to="a@b.example", sender="k@b.example", subject=f"canary {n}", body="x") for n in range(80)]
Mail.objects.bulk_create(mails)
"""
TWO_MINUTES_LATER = """
from datetime import timedelta
from django.db.models import F
from accounts.mail.models import Mail
Mail.objects.waiting().update(send_after=F("send_after") - timedelta(minutes=2))
"""


def test_mails_that_a_killed_worker_had_taken_are_sent_by_the_other_one(portal):
    shell(portal, MAILS)
    with Mailbox(most=10) as mailbox:
        killed = portal.start("work", PORTAL_EMAIL_URL=mailbox.url)
        assert soon(lambda: len(mailbox.came) == 10)
        os.kill(killed.pid, signal.SIGKILL)
        mailbox.go_on.set()
        other = portal.start("work", PORTAL_EMAIL_URL=mailbox.url)
        assert soon(lambda: ours(mailbox).total() >= 40)
        before = ours(mailbox)
        shell(portal, TWO_MINUTES_LATER)
        assert soon(lambda: len(ours(mailbox)) == 80)
        time.sleep(2)
        other.terminate()
        assert other.wait(30) == 0
        mailbox.shutdown()

    assert 40 <= len(before) < 80  # what the killed one had taken rests until its time is over
    assert ours(mailbox).total() <= 81  # one was handed over, and its note of that was lost


def ours(mailbox):
    return Counter(subject for subject in mailbox.came if subject.startswith("canary"))


def rows(portal, question):
    """The first column of what the database of the cluster answers."""
    code = (
        "import json; from django.db import connection as c; k = c.cursor(); "
        f"k.execute({question!r}); print(json.dumps([row[0] for row in k.fetchall()]))"
    )
    return json.loads(shell(portal, code).splitlines()[-1])


def shell(portal, code):
    process = portal.start("shell", "-c", code, stdout=subprocess.PIPE)
    return process.communicate(timeout=60)[0].decode()


def soon(holds):
    deadline = time.monotonic() + 30
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held
