"""What waits for the worker, for those who watch: how much, and for how long."""

from datetime import timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from accounts.events.models import Event
from accounts.mail.models import Mail
from connections.autopilot.models import Push
from connections.invoices.models import Reoffer
from partners.models import Batch

LATE = timedelta(minutes=10)
# What a worker takes within seconds. A file may wait for a day, and a push for a connection that is paused.
PROMPT = ("mails", "events")


class Queue(NamedTuple):
    number: int
    seconds: float  # since the oldest was due

    @property
    def is_late(self):
        return self.seconds > LATE.total_seconds()


def queues(*names: str) -> dict[str, Queue]:
    """The queues of the worker by their names, or those of `names` only."""
    now = timezone.now()
    due = {
        "mails": (Mail.objects.due(now), "send_after"),
        "events": (Event.objects.waiting(), "at"),
        "pushes": (Push.objects.due(now), "send_after"),
        "requests": (Batch.objects.sending(), "started_at"),
        "reoffers": (Reoffer.objects.running(), "created_at"),
    }
    return {name: _queue(*due[name], now) for name in names or due}


def late() -> list[str]:
    """The queues that show that no worker runs, or not fast enough."""
    return [name for name, queue in queues(*PROMPT).items() if queue.is_late]


class Figures:
    """The queues for Prometheus, counted when it asks."""

    def describe(self):
        return []  # or registering would ask the database

    def collect(self):
        number = GaugeMetricFamily("koppel_waiting", "Rows that are due", labels=["queue"])
        seconds = GaugeMetricFamily(
            "koppel_waiting_seconds", "Since when the oldest is due", labels=["queue"]
        )
        for name, queue in queues().items():
            number.add_metric([name], queue.number)
            seconds.add_metric([name], queue.seconds)
        if not connection.in_atomic_block:  # each question comes in a thread of its own
            connection.close()
        return [number, seconds]


def _queue(rows, since, now):
    found = rows.order_by().aggregate(number=Count("pk"), oldest=Min(since))
    oldest = found["oldest"]
    return Queue(found["number"], max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
