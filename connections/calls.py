"""Counting calls off the request path (R20): in memory, written in batches by a timer and at shutdown."""

import atexit
import logging
import threading
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.events.models import Action
from connections.history import record_about
from connections.models import KeySet

log = logging.getLogger(__name__)

_ADD = """
    INSERT INTO connections_callcount
        (key_set_id, day, function, code, calls, last_at, last_request_id, last_network)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (key_set_id, day, function, code) DO UPDATE SET
        calls = connections_callcount.calls + excluded.calls,
        last_at = excluded.last_at,
        last_request_id = excluded.last_request_id,
        last_network = excluded.last_network
"""


@dataclass
class _Count:
    calls: int
    at: datetime
    request_id: str
    network: str


class CallLog:
    """The calls of this process that are not written yet. A kill -9 loses the last two seconds of them."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counts: dict[tuple, _Count] = {}
        self._timer: threading.Thread | None = None

    def note(
        self, key_set_id: int, *, function: str, code: str, request_id: str, network: str
    ) -> None:
        """Count one call; `code` is the error code of a refusal, "" for a call that was let in."""
        now = timezone.now()
        key = (key_set_id, timezone.localdate(now), function, code)
        with self._lock:
            earlier = self._counts.get(key)
            self._counts[key] = _Count(
                (earlier.calls if earlier else 0) + 1, now, request_id, network
            )
        if settings.CALLS_FLUSH_SECONDS:
            self._start_timer()
        else:
            self.flush()

    def flush(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            _write(counts)
        except DatabaseError:
            log.exception("calls not written yet")
            self._put_back(counts)

    def _put_back(self, counts):
        with self._lock:
            for key, count in counts.items():
                if key in self._counts:
                    self._counts[key].calls += count.calls
                else:
                    self._counts[key] = count

    def _start_timer(self):
        if self._timer is None:
            with self._lock:
                if self._timer is None:
                    self._timer = threading.Thread(target=self._run, name="calls", daemon=True)
                    self._timer.start()
                    atexit.register(self.flush)

    def _run(self):
        pause = threading.Event()
        while True:
            pause.wait(settings.CALLS_FLUSH_SECONDS)
            self.flush()


CALLS = CallLog()


@transaction.atomic
def _write(counts):
    rows = sorted(
        counts.items()
    )  # by key set: two processes that flush at once never wait for each other
    with connection.cursor() as cursor:
        cursor.executemany(
            _ADD,
            [(*key, count.calls, count.at, count.request_id, count.network) for key, count in rows],
        )
    for (key_set, _day, _function, code), count in rows:
        if not code:
            _note_use(key_set, count.at)


def _note_use(key_set_id, at):
    key_sets = KeySet.objects.filter(pk=key_set_id)
    first = key_sets.filter(first_used_at__isnull=True).update(first_used_at=at, last_used_at=at)
    if not first:
        key_sets.filter(last_used_at__lt=at).update(last_used_at=at)
        return
    used = (
        key_sets.select_related(
            "connection__organisation__environment",
            "connection__app",
            "connection__mandate__accountant",
        )
        .get()
        .connection
    )
    record_about(used, Action.CONNECTION_USED, by=None)
