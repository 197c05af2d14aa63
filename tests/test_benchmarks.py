"""What `make bench` stands on: its data keep the rules of the portal, and its verdicts are right."""

import base64

import pytest
from django.db import connection

from benchmarks import data
from benchmarks.goals import Goal, verdicts
from connections.invoices.models import Invoice, Offer
from connections.models import KeySet
from partners.models import Mandate, MandateApp
from portal.demo import story

ME = Goal("me", "sqlite: me", 1.2)
CPU = Goal("a page", "sqlite: page", 15, at_most=True, unit="ms")


@pytest.mark.django_db
def test_keys_made_at_size_open_what_keys_open(client):
    pairs = data.grow_keys(30)

    connection.check_constraints()
    assert KeySet.objects.count() == len(pairs) == 30
    for key_set, pair in pairs[::10]:
        told = base64.b64encode(f"{pair.app_key}:{pair.secret.reveal()}".encode()).decode()
        answer = client.get("/api/v1/me", headers={"authorization": f"Basic {told}"})
        ours = answer.json()["organisations"]
        assert [it["id"] for it in ours] == [key_set.connection.organisation.organisation_id]


@pytest.mark.django_db
def test_lists_made_at_size_are_whole(monkeypatch):
    monkeypatch.setattr(data, "BLOCK", 10)
    story.tell()
    before = [kind.objects.count() for kind in (Mandate, MandateApp, Invoice)]

    data.grow_clients(40)
    receiver = data.grow_invoices(40)

    connection.check_constraints()
    after = [kind.objects.count() for kind in (Mandate, MandateApp, Invoice)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [40, 120, 40]
    repeated = receiver.inbox.filter(number__startswith="B-").order_by("pk").last()
    assert repeated.document.pk == repeated.pk
    assert Offer.objects.filter(invoice=repeated).exists()


@pytest.mark.parametrize(
    ("goal", "found", "verdict"),
    [
        (ME, 1.2, "holds"),
        (ME, {"median": 1.19, "low": 1.1, "high": 1.3}, "falls short"),
        (CPU, 15, "holds"),
        (CPU, {"median": 15.1, "low": 14, "high": 16}, "falls short"),
        (CPU, None, "not measured"),
    ],
)
def test_a_verdict_says_whether_the_figure_is_on_the_right_side(goal, found, verdict):
    assert goal.verdict({goal.figure: found})[1] == verdict


def test_every_goal_has_a_verdict_even_when_nothing_was_measured():
    assert {verdict for *_words, verdict in verdicts({})} == {"not measured"}
