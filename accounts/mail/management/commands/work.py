import logging
import queue
import signal

from django.core.management.base import BaseCommand
from django.db import Error, close_old_connections

from accounts.mail import services

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Sends the mails of the outbox until it is told to stop (SIGTERM, CTRL+C)."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="send what is due now and end")
        parser.add_argument("--pause", type=float, default=1.0, help="seconds between two looks")

    def handle(self, *, once, pause, **options):
        if once:
            while services.send_due():
                pass
            return
        news = queue.SimpleQueue()  # the one kind of queue that a signal handler may put into
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: news.put(number))
        while not told(news, 0 if self.send() else pause):
            pass

    def send(self):
        """Send what is due; a database that is away for a while ends nothing."""
        close_old_connections()
        try:
            return services.send_due()
        except Error:
            log.exception("no mails sent, the database does not answer")
            return 0


def told(news, pause):
    """Wait at most `pause` seconds to be told to stop."""
    try:
        return news.get(timeout=pause or None, block=bool(pause))
    except queue.Empty:
        return None
