"""The worker's part of Autopilot: pushing what was offered, trying again, giving up (decision 28).

The offer is the truth: a `Push` is made for each that waits, and goes when it has arrived. Threads do nothing
but the request itself; all that is read and written is done here, in short transactions of the worker.
"""

import logging
import random
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from threading import BoundedSemaphore
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from accounts.events.models import Action
from connections.autopilot import messages
from connections.autopilot.models import (
    Attempt,
    Autopilot,
    Push,
    pushing_connections,
)
from connections.autopilot.refusals import NothingIsPushed, TestedOften, TestingAlready, WithKeys
from connections.history import record_about
from connections.invoices.models import Offer
from connections.invoices.services import confirm
from connections.models import Connection
from connections.services import Ended
from connections.services.keys import mail
from connections.services.standing import locked_for_all
from portal import outgoing

log = logging.getLogger(__name__)

AT_ONCE = 8  # requests of one worker
AT_ONCE_TO_A_HOST = 3
MADE_AT_ONCE = 200  # rows
LOOK_SECONDS = 1.0  # for which a worker stays with pushes before it looks after other things
GRACE_SECONDS = 5
LEASE = timedelta(minutes=2)  # longer than any request
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=6)
TRIED_FOR = timedelta(days=3)
LEAST_ATTEMPTS = 5  # also after a long pause
LONGEST_WISH = timedelta(hours=24)  # of a Retry-After
REST_AFTER = 5  # failures in a row; then one request at a time looks whether the package is back
FIRST_REST = timedelta(seconds=5)
LONGEST_REST = timedelta(minutes=5)
STOPPED_REST = timedelta(seconds=30)  # of a connection that is paused, suspended or blocked
TOLD_AFTER = timedelta(hours=1)
TOLD_AGAIN_AFTER = timedelta(days=1)
KEPT = timedelta(days=90)
TEST_SECONDS = 8
TESTS_A_MINUTE = 5
Outcome = Attempt.Outcome

_pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="push")
_in_flight: dict = {}  # future → Sent
_tests = BoundedSemaphore(2)  # of a web process, which waits for the answer


@dataclass(frozen=True)
class Sent:
    """A request that is under way."""

    push: Push
    host: str
    began: float


def push_next(seconds=LOOK_SECONDS) -> int:
    """Push what is due for about `seconds`; answers how many requests ended, or are still under way.

    At least once: an invoice counts as retrieved after the package answered 2xx, so a crash in between sends
    it again, with the same webhook-id, after the lease of two minutes. Several workers may run: each takes a
    push by moving its `send_after`. A slow package holds up nobody but itself.
    """
    end, ended = time.monotonic() + seconds, 0
    make_pushes()
    while True:
        _send_some()
        if not _in_flight:
            return ended
        left = end - time.monotonic()
        done, _rest = wait(_in_flight, max(left, 0), FIRST_COMPLETED)
        for future in done:
            _finish(_in_flight.pop(future), future)
        ended += len(done)
        if left <= 0:
            return ended + len(_in_flight)


def end_pushes(seconds=GRACE_SECONDS) -> None:
    """Wait a little for requests under way and write down how they ended; for a worker that is told to stop.

    What takes longer is sent again by another one, with the same webhook-id.
    """
    done, _rest = wait(_in_flight, seconds)
    for future in done:
        _finish(_in_flight.pop(future), future)


def make_pushes(limit=MADE_AT_ONCE) -> int:
    """Make rows for offers that wait, at most `limit`; also for given up ones that were offered again."""
    Push.objects.offered_again().delete()
    waiting = Offer.objects.ready().filter(connection__in=pushing_connections(), push=None)
    made = Push.objects.bulk_create(
        [Push(offer=offer) for offer in waiting.order_by("pk")[:limit]], ignore_conflicts=True
    )
    return len(made)


def forget_attempts() -> int:
    """Forget what the journal has kept for 90 days, and what waits for connections that were revoked."""
    Push.objects.filter(offer__connection__revoked_at__isnull=False).delete()
    old = Attempt.objects.filter(at__lt=timezone.now() - KEPT)
    return old.filter(pk__in=old.values("pk")[:5000]).delete()[0]


def tell_of_failing() -> int:
    """Write once to the people of connections to which nothing could be pushed for an hour (R54)."""
    now = timezone.now()
    failing = Autopilot.objects.filter(
        failing_since__lte=now - TOLD_AFTER,
        told_failing_at=None,
        connection__in=pushing_connections(),
    )
    return sum(_told_now(pk, now) for pk in failing.values_list("pk", flat=True)[:MADE_AT_ONCE])


def push_test(*, connection) -> Attempt:
    """Send a test without an invoice to the package, and answer the line of the journal about it.

    For paused connections too. At most 5 a minute for a connection. Raises WithKeys, Ended, NothingIsPushed,
    TestedOften, TestingAlready.
    """
    connection = Connection.objects.for_list().get(pk=connection.pk)
    _refuse_test(connection)
    now = timezone.now()
    message, body = uuid.uuid4(), messages.about_test(connection, now)
    head = messages.headers(connection, message, body, now)
    if not _tests.acquire(blocking=False):
        raise TestingAlready
    try:
        began = time.monotonic()
        said = _requested(connection.app.autopilot_url, body, head, TEST_SECONDS)
    finally:
        _tests.release()
    return _noted(said, began, connection=connection, message=message, at=now)


def _refuse_test(connection):
    if not connection.is_autopilot:
        raise WithKeys
    if connection.is_revoked:
        raise Ended
    if not connection.stands or not connection.app.autopilot_url:
        raise NothingIsPushed
    minute = timezone.now() - timedelta(minutes=1)
    if connection.attempts.tests().filter(at__gt=minute).count() >= TESTS_A_MINUTE:
        raise TestedOften


def _send_some():
    """Fill the places that are free with what is due, few for one host, one for a package that fails."""
    full_apps, full_connections = set(), set()
    while len(_in_flight) < AT_ONCE:
        due = Push.objects.due(timezone.now()).exclude(offer__connection__app__in=full_apps)
        due = due.exclude(offer__connection__in=full_connections)
        push = due.select_related("offer__connection__app").first()
        if push is None:
            return
        connection = push.offer.connection
        host = urlsplit(connection.app.autopilot_url).netloc
        if sum(sent.host == host for sent in _in_flight.values()) >= AT_ONCE_TO_A_HOST:
            full_apps.add(connection.app_id)
        elif _is_probed(connection):
            full_connections.add(connection.pk)
        else:
            _send(push, host)


def _is_probed(connection):
    """Whether it fails, and a request is under way already that looks whether it still does."""
    under_way = (sent.push.offer.connection_id for sent in _in_flight.values())
    return connection.pk in under_way and connection.autopilot.failures >= REST_AFTER


def _send(push, host):
    """Look at the offer and the rights as they are now, then let a thread make the request."""
    invoice = "invoice__document", "invoice__receiver", "invoice__sender"
    offer = push.offer = Offer.objects.select_related(*invoice).get(pk=push.offer_id)
    connections = Connection.objects.for_list().select_related("autopilot")
    connection = connections.get(pk=offer.connection_id)
    if offer.retrieved_at:
        Push.objects.filter(pk=push.pk).delete()
    elif not connection.autopilot.is_running:  # somebody may mend that, so look again in a while
        rests_until = timezone.now() + STOPPED_REST
        Autopilot.objects.filter(pk=connection.pk).update(rests_until=rests_until)
    elif _take(push):
        offer.connection = connection
        body = messages.about_invoice(offer)
        head = messages.headers(connection, push.message, body, push.tried_at)
        url = connection.app.autopilot_url
        future = _pool.submit(_requested, url, body, head, outgoing.LONGEST_SECONDS)
        _in_flight[future] = Sent(push, host, time.monotonic())


def _take(push):
    push.tried_at = timezone.now()
    push.first_tried_at = push.first_tried_at or push.tried_at
    push.attempts += 1
    leased = Push.objects.waiting().filter(pk=push.pk, send_after=push.send_after)
    return leased.update(
        send_after=push.tried_at + LEASE,
        attempts=push.attempts,
        first_tried_at=push.first_tried_at,
        tried_at=push.tried_at,
    )


def _requested(url, body, head, seconds):
    """The answer of the package, or the NotAnswered that says why there is none."""
    try:
        return outgoing.post(url, body, head, seconds=seconds), time.monotonic()
    except outgoing.NotAnswered as error:
        return error, time.monotonic()
    except (
        Exception
    ):  # whatever a stranger's server can provoke is no answer, and no end of the worker
        log.exception("a request to %s failed in a new way", urlsplit(url).netloc)
        return outgoing.NotAnswered(outgoing.NotAnswered.STRANGE), time.monotonic()


def _finish(sent, future):
    offer = sent.push.offer
    attempt = _noted(
        future.result(),
        sent.began,
        connection=offer.connection,
        invoice=offer.invoice,
        message=sent.push.message,
        number=sent.push.attempts,
        at=sent.push.tried_at,
    )
    if attempt.is_delivered:
        _delivered(sent.push)
    else:
        _failed(sent.push, _wish(future.result()[0]))
        if attempt.outcome == Outcome.GONE:
            _pause(offer.connection)


def _noted(said, began, **values):
    """The line of the journal about a request."""
    answer, ended = said
    got = isinstance(answer, outgoing.Answer)
    return Attempt.objects.create(
        outcome=_outcome(answer),
        status=answer.status if got else None,
        said=" ".join(answer.text.split())[:300] if got else "",
        milliseconds=max(0, int((ended - began) * 1000)),
        **values,
    )


def _outcome(answer):
    if isinstance(answer, outgoing.NotAnswered):
        return Outcome(answer.why)
    special = {410: Outcome.GONE, 429: Outcome.BUSY, 503: Outcome.BUSY}
    by_hundreds = {2: Outcome.DELIVERED, 3: Outcome.REDIRECT, 4: Outcome.REFUSED, 5: Outcome.FAULT}
    return special.get(answer.status) or by_hundreds.get(answer.status // 100, Outcome.STRANGE)


@transaction.atomic
def _delivered(push):
    """The invoice is retrieved. After failures the others that wait go soon: the package is back."""
    connection = push.offer.connection
    autopilot = _locked(connection.pk)
    confirm(invoice=push.offer.invoice, through=connection)
    Push.objects.filter(pk=push.pk).delete()
    now = timezone.now()
    if autopilot.failing_since:
        waiting = Push.objects.waiting().filter(offer__connection=connection)
        failed = waiting.filter(tried_at__gte=autopilot.failing_since)
        # A single one that fails among others that arrive has a fault of its own, and keeps its pauses.
        if push.attempts > 1 or failed.count() > 1:
            waiting.filter(send_after__gt=now + LEASE).update(send_after=now)
    Autopilot.objects.filter(pk=autopilot.pk).update(
        last_delivered_at=now,
        failing_since=None,
        failures=0,
        rests_until=None,
        told_failing_at=None,
    )


@transaction.atomic
def _failed(push, wish):
    """Try again later, for about three days; the package says when it likes with Retry-After."""
    now = timezone.now()
    autopilot = _locked(push.offer.connection_id)
    autopilot.failures += 1
    autopilot.failing_since = autopilot.failing_since or push.tried_at
    if wish or autopilot.failures >= REST_AFTER:
        times = autopilot.failures - REST_AFTER + 1
        autopilot.rests_until = now + (wish or _growing(FIRST_REST, times, LONGEST_REST))
    autopilot.save(update_fields=["failures", "failing_since", "rests_until"])
    if push.attempts >= LEAST_ATTEMPTS and now >= push.first_tried_at + TRIED_FOR:
        Push.objects.filter(pk=push.pk).update(given_up_at=now)
        _tell(autopilot, "told_given_up_at", now)
    else:
        pause = max(_growing(FIRST_PAUSE, push.attempts, LONGEST_PAUSE), wish or timedelta())
        Push.objects.filter(pk=push.pk).update(send_after=now + pause)


def _locked(pk):
    return Autopilot.objects.select_for_update(no_key=True).get(pk=pk)


def _growing(first, times, longest):
    """A pause that doubles, up to the longest, with a little chance so that not all come at once."""
    pause = min(first * 2 ** min(max(times - 1, 0), 30), longest)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 (spreads load)


def _wish(answer):
    """For how long a package asks to be left alone (Retry-After), at most a day; None without a wish."""
    text = getattr(answer, "retry_after", "").strip()
    if not text:
        return None
    try:
        if text.isascii() and text.isdigit():
            wish = timedelta(seconds=min(int(text[:9]), 10**6))
        else:
            wish = parsedate_to_datetime(text) - timezone.now()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(wish, LONGEST_WISH) if wish > timedelta() else None


def _pause(connection):
    """410 Gone: the package wants no more. Somebody resumes the connection when that is mended."""
    connection = locked_for_all(connection)
    if connection.is_revoked or connection.paused_at:
        return
    connection.paused_at = timezone.now()
    connection.save(update_fields=["paused_at"])
    record_about(connection, Action.AUTOPILOT_GONE, by=None)
    mail("push_gone", connection, None)


@transaction.atomic
def _told_now(pk, now):
    return _tell(_locked(pk), "told_failing_at", now)


def _tell(autopilot, what, now):
    """Tell the people of a connection, once for a while; answers whether it was now."""
    earlier = getattr(autopilot, what)
    if earlier and earlier > now - TOLD_AGAIN_AFTER:
        return False
    Autopilot.objects.filter(pk=autopilot.pk).update(**{what: now})
    connection = Connection.objects.for_list().get(pk=autopilot.pk)
    failure, given_up = connection.autopilot.last_failure, what == "told_given_up_at"
    mail("push_failing", connection, None, failure=failure, given_up=given_up)
    return True
