"""The portfolio with many clients costs as many queries as with ten (R35).

CLIENTS=10000 pytest -s tests/partners/test_portfolio_at_size.py prints its times beside those of ten clients.
"""

import os
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connections.portfolio import Word
from partners.models import Mandate
from portal.demo.size import PACKAGES, grow
from tests.factories import AppFactory, UserFactory

CLIENTS = int(os.environ.get("CLIENTS", "300"))
PAGES = {
    "first page": "/clients/",
    "by status": f"/clients/?word={Word.SILENT}",
    "search": "/clients/?q=000007",
}

pytestmark = pytest.mark.slow


def costs(browser):
    """Queries and milliseconds of each page, the best of three."""
    found = {}
    for name, address in PAGES.items():
        times = []
        for _round in range(3):
            with CaptureQueriesContext(connection) as queries:
                began = time.perf_counter()
                assert browser.get(address).status_code == 200
            times.append(time.perf_counter() - began)
        found[name] = len(queries), min(times) * 1000
    return found


def test_many_clients_cost_as_many_queries_as_ten(browser_of):
    boss = UserFactory(administrator=True, environment__accountant=True)
    for name in PACKAGES:
        AppFactory(name=name)
    browser = browser_of(boss)
    grow(boss, 10)
    few = costs(browser)

    grow(boss, CLIENTS - 10)
    many = costs(browser)

    for name in PAGES:
        print(f"{name:12} 10: {few[name][1]:6.1f} ms, {CLIENTS}: {many[name][1]:6.1f} ms")  # noqa: T201
    assert Mandate.objects.count() == CLIENTS
    assert {name: cost[0] for name, cost in many.items()} == {
        name: cost[0] for name, cost in few.items()
    }
