import signal
import threading

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from accounts.mail import services


class Command(BaseCommand):
    help = "Sends the mails of the outbox until it is told to stop (SIGTERM, CTRL+C)."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="send what is due now and end")
        parser.add_argument("--pause", type=float, default=1.0, help="seconds between two looks")

    def handle(self, *, once, pause, **options):
        stop = threading.Event()
        if not once:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            close_old_connections()
            sent = services.send_due()
            if once and not sent:
                break
            if not sent:
                stop.wait(pause)
