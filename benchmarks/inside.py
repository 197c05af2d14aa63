"""What a process tells of itself: how many queries a visit takes, and where the time of sending goes.

python -m benchmarks.inside queries   a JSON list of visits on standard input; prints how many queries each
python -m benchmarks.inside shares    prints the parts of the time of sending an invoice
python -m benchmarks.inside repeat    calls as often as each line of standard input says, for a counter of
                                      instructions: "me 100", "same 100"
"""

import cProfile
import json
import pstats
import sys
import time
from collections import Counter
from pathlib import Path

import django
from django.conf import settings
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils.module_loading import import_string

WARM = 3
SENT = 200
PARTS = {
    "XML": ("/lxml/", "lxml.etree", "/connections/invoices/ubl.py"),
    "database": ("/django/db/", "sqlite3", "psycopg"),
    "events": ("/accounts/events/",),
}


def queries(visits):
    """How many queries each visit takes in a process that is warm."""
    return {visit["name"]: _queries_of(visit) for visit in visits}


def _queries_of(visit):
    for key in _keys(visit.get("keys"), WARM + 1):
        with CaptureQueriesContext(connection) as captured:
            status = _visit(visit, key)
        if status != visit.get("status", 200):
            raise SystemExit(f"{visit['name']} is answered with {status}.")
    return len(captured)


def _keys(path, number):
    if not path:
        return [("", "", "")] * number
    lines = Path(path).read_text().splitlines()
    return [(line.split("\t") + ["", ""])[:3] for line in lines[:: len(lines) // number][:number]]


def _visit(visit, key):
    """Ask what the web server asks, and answer the status."""
    header, organisation, registration = key
    path = visit["path"].replace("ORGANISATION", organisation)
    headers = {"host": "localhost"}
    if header:
        headers["authorization"] = header
    if visit.get("cookie"):
        headers["cookie"] = f"{settings.SESSION_COOKIE_NAME}={visit['cookie']}"
    if visit.get("document"):
        headers["idempotency-key"] = number = f"inside-{time.time_ns()}"
        text = Path(visit["document"]).read_text()
        xml = text.replace("{NUMBER}", number).replace("{SUPPLIER}", registration)
        request = REQUESTS.post(path, xml, content_type="application/xml", headers=headers)
    else:
        request = REQUESTS.get(path, headers=headers)
    told = []
    answer = APPLICATION(request.environ, lambda status, headers: told.append(status))
    b"".join(answer)
    getattr(answer, "close", lambda: None)()
    return int(told[0][:3])


def shares(folder):
    """The parts of the time of sending an invoice, by the code where it is spent."""
    visit = {"path": "/api/v1/ORGANISATION/outbox", "document": folder / "document.xml"}
    keys = _keys(folder / "keys.tsv", SENT)
    _visit(visit, keys[0])
    profile = cProfile.Profile()
    with profile:
        for key in keys:
            _visit(visit, key)
    spent = Counter()
    for (file, _line, name), (*_, own, _all, callers) in pstats.Stats(profile).stats.items():
        if file == "~" and _part(name) == "rest":  # written in C: part of whoever calls it
            for (caller, *_where), (*_counts, part, _all_of_it) in callers.items():
                spent[_part(caller)] += part
        else:
            spent[_part(file if file != "~" else name)] += own
    return {part: spent[part] / spent.total() for part in (*PARTS, "rest")}


def _part(place):
    found = (part for part, marks in PARTS.items() if any(mark in place for mark in marks))
    return next(found, "rest")


def repeat(folder):
    """Do what the lines of standard input say, and print a line after each."""
    paths = {"me": "/api/v1/me", "same": "/api/v1/without-keys/me"}
    keys = _keys(folder / "keys.tsv", 100)
    for line in sys.stdin:
        what, number = line.split()
        for place in range(int(number)):
            _visit({"path": paths[what]}, keys[place % len(keys)])
        print("done", flush=True)


if __name__ == "__main__":
    django.setup()
    APPLICATION, REQUESTS = import_string(settings.WSGI_APPLICATION), RequestFactory()
    what, folder = sys.argv[1], Path(settings.PORTAL_DATA)
    if what == "queries":
        print(json.dumps(queries(json.load(sys.stdin))))
    elif what == "shares":
        print(json.dumps(shares(folder)))
    else:
        repeat(folder)
