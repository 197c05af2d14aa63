"""At 100,000 rows PostgreSQL finds what lists show by indexes: no table of that size is read through."""

import json

import pytest
from django.db import connection as db
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import STATUS_FILTERS
from connections.invoices.models import Delivery, SentStatus, Status
from connections.models import Connection
from connections.portfolio import Word
from partners.models import AuthorisationRequest
from tests.growing import grow

SIZE = 100_000
STREAMS = {
    "Result",
    "Nested Loop",
    "Hash Join",
    "Subquery Scan",
    "Gather",
    "Append",
    "Unique",
}  # row by row
RARE, OFTEN = "?q=000777", "?q=client"
SEARCHES = ("", RARE, OFTEN)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.skipif(db.vendor != "postgresql", reason="PostgreSQL says how it does it"),
]


def by(name, choices):
    return [f"?{name}={choice}" for choice in choices]


# The address of a list: what it can be narrowed by.
OF_AN_ACCOUNTANT = {
    "home": ["", "?state=1"],
    "connections:overview": [*SEARCHES, *by("status", Connection.Status.values)],
    "connections:clients": [*SEARCHES, *by("word", Word.values)],
    "partners:sent": [*SEARCHES, *by("status", AuthorisationRequest.Status.values)],
    "partners:received": SEARCHES,
    "partners:partners": SEARCHES,
    "accounts:environment": SEARCHES,
    "accounts:users": [*SEARCHES, *by("status", STATUS_FILTERS)],
    "accounts:activity": ["", "?about=000777", "?action=connection.created", "?since=2026-01-01"],
    "accounts:notices": [""],
}
OF_AN_ORGANISATION = {
    "home": [""],
    "connections:overview-of": OF_AN_ACCOUNTANT["connections:overview"],
    "connections:overview": OF_AN_ACCOUNTANT["connections:overview"],
    "accounts:notices": [""],
}
RECEIVED = [*SEARCHES, *by("status", Status.values), *by("delivery", Delivery.values)]
IN_INBOX = [status for status in Status if status != Status.FAILED]
SENT = [*SEARCHES, *by("status", SentStatus.values), "?since=2026-01-01"]


# What software asks for: the narrowing of a list of the API.
OF_SOFTWARE = [
    {},
    {"limit": 100},
    {"created_from": "2026-01-01T00:00:00Z"},
    {"counterparty": "0088:7300010000001"},
]


def lists(big):
    """Who looks, and at which address."""
    for name, queries in OF_AN_ACCOUNTANT.items():
        for query in queries:
            yield big.boss, reverse(name) + query
    for name, queries in OF_AN_ORGANISATION.items():
        where = [big.books.organisation.organisation_id] if name.endswith("-of") else []
        for query in queries:
            yield big.books.owner, reverse(name, args=where) + query
    for name, connection, queries in (
        ("invoices:received-of", big.buyer, RECEIVED),
        ("invoices:sent-of", big.seller, SENT),
    ):
        for query in queries:
            where = [connection.organisation.organisation_id]
            yield connection.owner, reverse(name, args=where) + query


def seen(big):
    """The queries of each list as people and software see it, and of the page after it."""
    for user, address in lists(big):
        browser = Client()
        browser.force_login(user)
        page = yield from asked(address, browser.get, address)
        if "page" in page.context and (after := page.context["page"].query):
            yield from asked(
                f"after {address}", browser.get, f"{address.partition('?')[0]}?{after}"
            )
    for software, path, narrowings in (
        (big.receives, "/inbox", by_each(status=IN_INBOX, delivery=["ready", "retrieved"])),
        (big.sends, "/outbox", by_each(status=SentStatus)),
        (big.clients, "/integration-requests", by_each(status=AuthorisationRequest.Status)),
    ):
        for query in [*OF_SOFTWARE, *narrowings]:
            found = yield from asked(f"{path} {query}", software.get, path, **query)
            if after := found.json()["next"]:
                yield from asked(f"after {path} {query}", software.get, path, **query, next=after)


def asked(where, get, *address, **query):
    """The queries of one page; returns it."""
    with CaptureQueriesContext(db) as queries:
        page = get(*address, **query)
    assert page.status_code == 200, (where, page.content)
    for query in queries:
        yield where, query["sql"] or ""  # what a pipeline sent has none
    return page


def by_each(**choices):
    return [{name: str(value)} for name, values in choices.items() for value in values]


def scans(plan, *, stops=False):
    """The tables that a plan reads from one end to the other, unless it stops where a page is full."""
    if plan["Node Type"] == "Seq Scan" and not stops:
        yield plan["Relation Name"]
    stops = plan["Node Type"] == "Limit" or (stops and plan["Node Type"] in STREAMS)
    for below in plan.get("Plans", []):
        yield from scans(below, stops=stops)


def read_through(sql, large):
    """The large tables that this query reads from one end to the other."""
    generic = ", GENERIC_PLAN" if "$1" in sql else ""  # the statement of the gate
    with db.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON{generic}) {sql}")
        (plan,) = cursor.fetchone()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return sorted(large.intersection(scans(plan[0]["Plan"])))


def large_tables():
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s", [SIZE]
        )
        return {name for (name,) in cursor.fetchall()}


def findings(big):
    """The queries of lists that read a large table through: where, the tables, the query."""
    large = large_tables()
    for where, sql in seen(big):
        if sql.startswith("SELECT") and (tables := read_through(sql, large)):
            yield where, tables, sql


def test_no_list_reads_a_large_table_through():
    big = grow(SIZE)

    assert list(findings(big)) == []
