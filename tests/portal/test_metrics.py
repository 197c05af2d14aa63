"""What Prometheus sees: figures of all processes, at an address of their own."""

import re
from dataclasses import replace
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.db import transaction
from prometheus_client import REGISTRY

from accounts.events.models import Action
from accounts.events.services import record
from accounts.mail.services import queue, send_due
from connections.models import Access
from portal import metrics, waiting
from tests.factories import EnvironmentFactory, connect
from tests.serving import free_port, prepare, serving
from tests.software import Software

pytestmark = pytest.mark.django_db


def figure(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


def test_calls_are_counted_by_function_and_outcome_and_refusals_by_reason():
    connection, pair = connect(access=Access.CHOSEN, functions=["GetInboxDocument"])
    software = Software(pair, connection.organisation)
    stranger = Software(replace(pair, secret=connect()[1].secret), connection.organisation)
    before = {
        "ok": figure("koppel_calls_total", function="me", outcome="ok"),
        "refused": figure("koppel_refusals_total", code="ERRCDO4000011", reason="key"),
        "unknown": figure("koppel_refusals_total", code="ERRIAU6000007", reason=""),
    }

    software.me()
    software.send(b"<Invoice/>")
    stranger.me()

    assert figure("koppel_calls_total", function="me", outcome="ok") == before["ok"] + 1
    refused = figure("koppel_refusals_total", code="ERRCDO4000011", reason="key")
    assert refused == before["refused"] + 1
    unknown = figure("koppel_refusals_total", code="ERRIAU6000007", reason="")
    assert unknown == before["unknown"] + 1


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [("/accounts/login/", "page", 200), ("/admin/", "desk", 302), ("/health/live", "health", 200)],
)
def test_answers_are_counted_by_kind_and_status(client, path, kind, status):
    before = figure("koppel_requests_total", kind=kind, status=str(status))

    client.get(path)

    assert figure("koppel_requests_total", kind=kind, status=str(status)) == before + 1


def test_the_figures_are_shown_at_their_own_address_with_what_waits():
    environment = EnvironmentFactory()
    with transaction.atomic():
        record(Action.USER_JOINED, by=None, subject=environment, environment=environment)
        queue("account_deleted", to="a@b.example", language="en")
    port = free_port()
    end = metrics.show("127.0.0.1", port, waiting.Figures())
    try:
        shown = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    finally:
        end()
    assert "koppel_requests_total" in shown
    # (the thread that answers has a connection of its own, which sees nothing of this test)
    assert 'koppel_waiting{queue="mails"}' in shown


def test_mails_are_counted():
    before = figure("koppel_mails_total", outcome="sent")
    with transaction.atomic():
        queue("account_deleted", to="a@b.example", language="en")

    send_due()

    assert figure("koppel_mails_total", outcome="sent") == before + 1


def test_pages_do_not_show_the_figures(client):
    assert client.get("/metrics").status_code == 404


def test_every_figure_is_explained():
    explained = (settings.BASE_DIR / "docs" / "watching.md").read_text()
    names = [metric.name for metric in REGISTRY.collect() if metric.name.startswith("koppel_")]

    assert len(names) == 5
    assert [name for name in names if name not in explained] == []
    assert [name for name in waiting.queues() if f"`{name}`" not in explained] == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_serve_shows_the_figures_of_all_its_processes(tmp_path, monkeypatch):
    port = free_port()
    monkeypatch.setenv("PORTAL_METRICS", f"127.0.0.1:{port}")
    prepare(tmp_path / "data")

    with serving(tmp_path / "data") as portal:
        for _ in range(20):
            urlopen(f"{portal.url}/health/live").close()
        shown = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()

    answered = re.search(r'koppel_requests_total{kind="health",status="200"} (\d+)', shown)
    assert int(answered[1]) >= 20
    assert 'koppel_waiting{queue="mails"} 0.0' in shown
