"""Software that repeats itself, and thousands of invoices re-offered while it fetches and the power fails."""

import json
import os
import re
import threading
from collections import Counter, defaultdict
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path

import pytest
from django.conf import settings

from connections.invoices.models import Invoice
from portal.demo import story
from tests.invoices.documents import invoice
from tests.portal.test_under_fire import keys_of, wait_until
from tests.serving import Caller, Person, kill, served, serving

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SENDS = int(os.environ.get("SENDS", "40"))
REOFFERS = int(os.environ.get("REOFFERS", "210"))
THREADS, REPEATS = 8, 5
SAMPLE = Path(settings.BASE_DIR, "docs", "samples", "invoice.xml").read_bytes()


def in_threads(work, url, keys):
    """Let THREADS programs do `work(caller, the number of the program)`; what one raises is raised."""
    failures = []

    def run(place):
        caller = Caller(url, keys["app_key"], keys["secret"])
        try:
            with closing(caller.connection):
                work(caller, place)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=[place]) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_a_storm_of_repetitions_sends_each_invoice_once(live_server, selling, buying):
    """SENDS=1000 tries it with as many invoices; each is sent five times, from eight programs."""
    connection, pair = selling
    organisation = connection.organisation.organisation_id
    keys = {"app_key": pair.app_key, "secret": pair.secret.reveal()}
    calls = [str(number) for number in range(SENDS) for _again in range(REPEATS)]
    answers = defaultdict(Counter)

    def send(caller, place):
        for number in calls[place::THREADS]:
            status, body = caller.send(organisation, invoice(number=number), f"order-{number}")
            answers[number][status, body] += 1

    in_threads(send, live_server.url, keys)

    assert Invoice.objects.count() == SENDS == len(answers)
    for told in answers.values():
        assert sorted(status for status, _body in told.elements()) == [200] * (REPEATS - 1) + [201]
        assert len({body for _status, body in told}) == 1


class Fetcher:
    """Software of the receiver: stores what is ready and confirms it, and notes what came once more."""

    def __init__(self, keys):
        self.keys = keys
        self.inbox = f"/api/v1/{keys['organisation']}/inbox"
        self.confirmed, self.again = set(), []

    def fetch(self, url):
        """Fetch until nothing is ready, or the portal is gone; answer how many are confirmed by now."""
        caller = Caller(url, self.keys["app_key"], self.keys["secret"])
        with closing(caller.connection), suppress(OSError, HTTPException):
            while ready := json.loads(caller.get(f"{self.inbox}?delivery=ready&limit=100"))[
                "items"
            ]:
                for item in ready:
                    self._take(caller, item["id"])
        return len(self.confirmed)

    def _take(self, caller, id):
        if id in self.confirmed:
            self.again.append(id)
        assert caller.get(f"{self.inbox}/{id}").startswith(b"<?xml")
        status, _body = caller.post(f"{self.inbox}/{id}/confirm")
        if status == 200:
            self.confirmed.add(id)


def test_a_re_offer_survives_kill_9_and_brings_each_invoice_once(tmp_path):
    """REOFFERS=10000 tries it with as many; the software fetches all the while."""
    data = tmp_path / "data"
    with served(data) as portal:
        seller, buyer = keys_of(portal, "Yuki"), keys_of(portal, "Twinfield")
        send_many(portal, seller)
        Fetcher(buyer).fetch(portal.url)
        job, total = reoffer_everything(portal, buyer)
        software = Fetcher(buyer)
        wait_until(lambda: software.fetch(portal.url) >= REOFFERS // 10)
        kill(portal.process)
    with serving(data) as portal:
        wait_until(lambda: software.fetch(portal.url) >= total)
        person = log_in(portal)
        wait_until(lambda: "every 2s" not in (person.get(job), person.page)[1])
        assert software.fetch(portal.url) == total

    assert total >= REOFFERS
    assert software.again == []
    assert f"{total} invoices are offered again" in person.page
    assert f"{total} of {total} retrieved since" in person.page


def send_many(portal, seller):
    def send(caller, place):
        for count in range(place, REOFFERS, THREADS):
            number = f"R-{count}"
            xml = SAMPLE.replace(b"2026-0200", number.encode())
            assert caller.send(seller["organisation"], xml, number)[0] == 201

    in_threads(send, portal.url, seller)


def log_in(portal):
    person = Person(portal.url)
    person.log_in("peter@vandijk.example", story.PASSWORD)
    return person


def reoffer_everything(portal, buyer):
    """Ask for all on the page, to the first connection; answer the address of the result, and how many."""
    person = log_in(portal)
    question = f"/organisations/{buyer['organisation']}/invoices/re-offer/"
    person.get(question)
    assert person.post(question, everything="on", connection="1") == 200
    job = re.search(rf'href="({question}[0-9a-f-]{{36}}/)"', person.page)[1]
    return job, int(re.search(r"(\d+) invoices, by", person.page)[1])
