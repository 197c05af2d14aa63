"""Lists cost the same queries however many invoices there are; AT_SIZE=100000 tries it at that size."""

import os
import time
from datetime import timedelta

import pytest
from django.db import connection as db
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connections.invoices.models import Invoice, Offer
from tests.invoices.test_pages import at, signed_in

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
FEW, MANY = 100, int(os.environ.get("AT_SIZE", "1000"))
PAGES = [
    ("received-of", ""),
    ("received-of", "?q=M-77"),
    ("received-of", "?status=rejected"),
    ("received-of", "?delivery=ready"),
    ("received-of", "?delivery=retrieved"),
    ("received-of", "?delivery=not_offered"),
    ("received-of", f"?since={timezone.localdate() - timedelta(days=30)}"),
    ("reoffer", "?delivery=not_offered"),
    ("sent-of", "?status=paid"),
]
CALLS = [
    ("inbox", {}),
    ("inbox", {"delivery": "ready"}),
    ("inbox", {"delivery": "retrieved"}),
    ("inbox", {"status": "rejected"}),
    ("inbox", {"counterparty": "0088:7300010000001", "created_from": "2026-01-01"}),
    ("outbox", {"status": "paid"}),
]


def grow(seller, buyer, numbers):
    """Received invoices: of a hundred one is rejected, one ready, one offered to nobody."""
    now = timezone.now()
    made = Invoice.objects.bulk_create(
        [
            Invoice(
                kind="Invoice",
                number=f"M-{number}",
                issue_date=(now - timedelta(days=number % 700)).date(),
                currency="EUR",
                total=number,
                sender=seller.organisation,
                sender_name=f"Supplier {number % 50}",
                sender_address="0088:7300010000001",
                receiver=buyer.organisation,
                receiver_name="The customer",
                sent_through=seller,
                created_at=now + timedelta(seconds=number),
                changed_at=now + timedelta(seconds=number),
                status="rejected" if number % 100 == 0 else "paid",
            )
            for number in numbers
        ],
        batch_size=2000,
    )
    Offer.objects.bulk_create(
        [
            Offer(
                invoice=invoice,
                connection=buyer,
                retrieved_at=None if invoice.total % 100 == 1 else now,
            )
            for invoice in made
            if invoice.total % 100 != 2
        ],
        batch_size=2000,
    )


def cost(look):
    """Queries and milliseconds."""
    with CaptureQueriesContext(db) as queries:
        began = time.perf_counter()
        assert look().status_code == 200
        took = time.perf_counter() - began
    return len(queries), took * 1000


def test_lists_cost_the_same_however_many(seller, buyer, sellers_software, buyers_software):
    sides = {
        "received-of": (signed_in(buyer.owner), buyer),
        "reoffer": (signed_in(buyer.owner), buyer),
        "sent-of": (signed_in(seller.owner), seller),
    }
    software = {"inbox": buyers_software, "outbox": sellers_software}

    def costs():
        found = {}
        for name, query in PAGES:
            visitor, side = sides[name]
            found[name + query] = cost(
                lambda v=visitor, s=side, n=name, q=query: v.get(at(n, s) + q)
            )
        for box, query in CALLS:
            found[f"{box} {query}"] = cost(
                lambda b=box, q=query: software[b].get(f"/{b}", limit=100, **q)
            )
        return found

    grow(seller, buyer, range(FEW))
    costs()
    few = costs()
    grow(seller, buyer, range(FEW, MANY))
    many = costs()

    for name, (queries, took) in many.items():
        print(f"{queries:3} queries, {few[name][1]:6.1f} → {took:6.1f} ms  {name}")  # noqa: T201
    assert {name: queries for name, (queries, _took) in many.items()} == {
        name: queries for name, (queries, _took) in few.items()
    }
