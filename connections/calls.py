"""Counting calls off the request path, keeping what was refused (R20, R44), and moving digests to the current
pepper: in memory, written in batches by a timer and at shutdown."""

import atexit
import json
import logging
import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.events.models import Action
from connections.errors import TOO_MANY_CALLS
from connections.history import record_about
from connections.keys import Secret
from connections.models import CallCount, Gateway, KeySet, RefusedCall

log = logging.getLogger(__name__)

REFUSED_KEPT = 200  # of each key set
REFUSED_DAYS = 30
DIGESTS_DAYS = 400
NETWORKS_DAYS = 365
FORGOTTEN_AT_ONCE = 10_000
USES_AT_ONCE = 500
LONGEST_DETAIL = 300
MOST_DETAILS = 10
_SAID_ELSEWHERE = {"reason", "function", "error", "error_description"}

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

_USED = "UPDATE connections_keyset SET last_used_at = %s WHERE id = %s AND last_used_at < %s"


@dataclass
class _Count:
    calls: int
    at: datetime
    request_id: str
    network: str


def _newest_of_each():
    return defaultdict(lambda: deque(maxlen=REFUSED_KEPT))


class CallLog:
    """The calls of this process that are not written yet. A kill -9 loses the last two seconds of them."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counts: dict[tuple, _Count] = {}
        self._refused: dict[int, deque[RefusedCall]] = _newest_of_each()
        self._moving: dict[tuple, tuple[KeySet | Gateway, dict]] = {}
        self._timer: threading.Thread | None = None

    def note(
        self,
        key_set_id: int,
        *,
        function: str,
        code: str,
        request_id: str,
        network: str,
        organisation: str = "",
        extra: dict | None = None,
    ) -> None:
        """Count one call; `code` is the error code of a refusal, "" for a call that was let in.

        A refusal is kept with what its answer said beside the code, `extra`.
        """
        now = timezone.now()
        key = (key_set_id, now.astimezone(timezone.get_default_timezone()).date(), function, code)
        with self._lock:
            if code and code != TOO_MANY_CALLS.code:  # they would push out what explains something
                refused = RefusedCall(
                    key_set_id=key_set_id,
                    request_id=request_id,
                    at=now,
                    function=function,
                    organisation=organisation,
                    code=code,
                    reason=(extra or {}).get("reason", ""),
                    details=_short(extra or {}),
                    network=network,
                )
                self._refused[key_set_id].append(refused)
            earlier = self._counts.get(key)
            self._counts[key] = _Count(
                (earlier.calls if earlier else 0) + 1, now, request_id, network
            )
        self._write_soon()

    @sensitive_variables("secret")
    def note_proof(self, row: KeySet | Gateway, secret: Secret) -> None:
        """Have the digest of a Secret that was just proved moved to the current pepper, if it is an old one.

        The new digest is made now, for the Secret is not kept; one that is lost comes with the next call.
        """
        if (
            row.pepper >= settings.PEPPERS.current
        ):  # or one that was not started anew would move it back
            return
        with self._lock:
            self._moving[type(row), row.pk] = row, row.hashed(secret)
        self._write_soon()

    def flush(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
            refused, self._refused = self._refused, _newest_of_each()
            moving, self._moving = self._moving, {}
        try:
            for row, digests in moving.values():
                _move(row, digests)
        except DatabaseError:
            log.exception("digests not moved to the current pepper yet")
        if not counts:
            return
        try:
            _write(counts, refused)
        except DatabaseError:
            log.exception("calls not written yet")
            self._put_back(counts, refused)

    def _put_back(self, counts, refused):
        with self._lock:
            for key_set_id, newer in self._refused.items():
                refused[key_set_id].extend(newer)
            self._refused = refused
            for key, count in counts.items():
                if key in self._counts:
                    self._counts[key].calls += count.calls
                else:
                    self._counts[key] = count

    def _write_soon(self):
        if settings.CALLS_FLUSH_SECONDS:
            self._start_timer()
        else:
            self.flush()

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
            close_old_connections()
            self.flush()


CALLS = CallLog()


def forget_refused() -> int:
    """Delete what was refused more than 30 days ago, and answer how many."""
    old = RefusedCall.objects.filter(at__lt=timezone.now() - timedelta(days=REFUSED_DAYS))
    found = list(old.order_by("at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    RefusedCall.objects.filter(pk__in=found).delete()
    return len(found)


def _short(extra):
    """What an answer said, cut to what a page can show, in characters that every database keeps."""
    said = {name: value for name, value in extra.items() if name not in _SAID_ELSEWHERE}
    text = json.dumps(said, default=str, ensure_ascii=False).replace("\\u0000", "\\ufffd")
    return _cut(json.loads(text.encode(errors="replace")))


def _cut(value):
    if isinstance(value, dict):
        return {name: _cut(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_cut(part) for part in value[:MOST_DETAILS]]
    return value[:LONGEST_DETAIL] if isinstance(value, str) else value


def _move(row, digests):
    """Write digests under another pepper, if nobody has done so: a statement for itself, which waits for
    nobody while it holds a row."""
    unchanged = type(row).objects.filter(
        pk=row.pk, pepper=row.pepper, secret_digest=row.secret_digest
    )
    unchanged.update(**digests)


def wipe_digests() -> int:
    """Forget by what the Secrets of keys were known that were retired 400 days ago; answers of how many.

    Whoever calls with them then hears what a stranger hears, and is not counted any more (R20).
    """
    before = timezone.now() - timedelta(days=DIGESTS_DAYS)
    return KeySet.objects.filter(retired_at__lt=before).wipe()


def forget_networks() -> int:
    """Forget from which networks was called more than 12 months ago; answers in how many counts."""
    before = timezone.localdate() - timedelta(days=NETWORKS_DAYS)
    old = CallCount.objects.filter(day__lt=before).exclude(last_network="")
    found = list(old.order_by("day").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    return CallCount.objects.filter(pk__in=found).update(last_network="")


@transaction.atomic
def _write(counts, refused):
    # By key set: two processes that flush at once never wait for each other.
    rows = sorted(counts.items())
    _execute_many(
        _ADD,
        [(*key, it.calls, _stored(it.at), it.request_id, it.network) for key, it in rows],
    )
    for key_set_id in sorted(refused):
        _keep(key_set_id, refused[key_set_id])
    uses = {}
    for (key_set_id, _day, _function, code), count in rows:
        if not code:
            uses[key_set_id] = max(count.at, uses.get(key_set_id, count.at))
    _note_uses(uses)


def _keep(key_set_id, refused):
    RefusedCall.objects.bulk_create(refused, ignore_conflicts=True)
    of_key_set = RefusedCall.objects.filter(key_set=key_set_id)
    newest_first = of_key_set.order_by("-pk").values_list("pk", flat=True)
    too_many = newest_first[REFUSED_KEPT : REFUSED_KEPT + 1]
    for pk in too_many:
        of_key_set.filter(pk__lte=pk).delete()


def _note_uses(uses):
    """Move the last use of these key sets on; the first use of each is an event."""
    key_sets = [*uses]
    for start in range(0, len(key_sets), USES_AT_ONCE):
        some = key_sets[start : start + USES_AT_ONCE]
        unused = KeySet.objects.filter(pk__in=some, first_used_at__isnull=True).order_by("pk")
        for pk in unused.values_list("pk", flat=True):
            _note_first_use(pk, uses[pk])
    _execute_many(_USED, [(_stored(at), pk, _stored(at)) for pk, at in uses.items()])


def _execute_many(statement, rows):
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def _stored(at):
    return connection.ops.adapt_datetimefield_value(at)


def _note_first_use(key_set_id, at):
    key_sets = KeySet.objects.filter(pk=key_set_id)
    if not key_sets.filter(first_used_at__isnull=True).update(first_used_at=at, last_used_at=at):
        return  # another process wrote it a moment ago
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
