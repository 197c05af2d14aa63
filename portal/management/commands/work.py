import logging
import queue
import signal
import time

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from accounts.closing import purge_closed
from accounts.events.services import chain_waiting
from accounts.forgetting import forget_mails, forget_sessions
from accounts.mail.services import forget_notices, send_due
from connections.autopilot.pushing import (
    end_pushes,
    forget_attempts,
    push_next,
    tell_of_failing,
)
from connections.calls import forget_networks, forget_refused, wipe_digests
from connections.invoices.reoffers import reoffer_next
from connections.invoices.services import forget_sent_once
from connections.services import (
    end_overdue,
    remind_unused,
    tell_safe_to_end,
    warn_of_expiry,
    warn_of_overlap,
)
from connections.tokens import forget_expired
from partners.imports import send_next
from partners.services import expire_due, warn_due
from portal import metrics, waiting

log = logging.getLogger(__name__)

# What is done whenever there is some, and what is looked at from time to time. Each takes rows that wait and
# answers how many it took, so every one may be ended in the middle, run twice, and run on several machines.
ALWAYS = (chain_waiting, end_overdue, send_due, send_next, reoffer_next, push_next)
NOW_AND_THEN = (
    *(warn_due, expire_due, remind_unused, warn_of_expiry, warn_of_overlap, tell_safe_to_end),
    *(tell_of_failing, forget_expired, forget_refused, forget_attempts, forget_notices),
    *(purge_closed, forget_mails, forget_sessions, forget_sent_once, forget_networks, wipe_digests),
)
NOW_AND_THEN_SECONDS = 600


class Command(BaseCommand):
    help = "Does what waits (mails, events, files, re-offers, pushes, expiry) until told to stop (SIGTERM)."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="do what waits now and end")
        parser.add_argument("--pause", type=float, default=1.0, help="seconds between two looks")

    def handle(self, *, once, pause, **options):
        if once:
            done(NOW_AND_THEN)
            while done(ALWAYS):
                pass
            return
        news = queue.SimpleQueue()  # the one kind of queue that a signal handler may put into
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: news.put(number))
        with metrics.shown(waiting.Figures(), of_children=False):
            work(news, pause)


def work(news, pause):
    """Do what waits, and look again after a pause, until told to stop."""
    looked_at = None
    while True:
        now = time.monotonic()
        if looked_at is None or now - looked_at > NOW_AND_THEN_SECONDS:
            done(NOW_AND_THEN)
            looked_at = now
        if told(news, 0 if done(ALWAYS) else pause):
            end_pushes()
            return


def done(jobs):
    """Do each job once, answer how much was done; what fails is told, and ends nothing."""
    close_old_connections()
    number = 0
    for job in jobs:
        try:
            number += job()
        except Exception:  # a database or mail server that is away for a while, too
            log.exception("%s failed; it is tried again", job.__name__)
    return number


def told(news, pause):
    """Wait at most `pause` seconds to be told to stop."""
    try:
        return news.get(timeout=pause or None, block=bool(pause))
    except queue.Empty:
        return None
