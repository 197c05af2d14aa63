"""Runs the two processes of the portal, web server and mail worker: they live and end together."""

import os
import queue
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from portal.checks import peppers_are_complete

GRACE = 10  # seconds for a clean end
WEB_GRACE = 5  # of them for the requests under way
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Command(BaseCommand):
    help = "Serves the portal: web server and mail worker, until CTRL+C or SIGTERM."

    def add_arguments(self, parser):
        parser.add_argument("--host", default=os.environ.get("PORTAL_HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"))
        parser.add_argument("--workers", type=int, default=2, help="web processes, one per core")

    def handle(self, *, host, port, workers, **options):
        refuse_taken_port(host, port)
        refuse_missing_peppers()
        news = queue.SimpleQueue()  # the one kind of queue that a signal handler may put into
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda number, frame: news.put(number))

        processes = {}
        try:
            processes["web server"] = start(*web_server(host, port, workers))
            processes["mail worker"] = start("manage.py", "work", "--skip-checks")
            self.stdout.write(f"Koppel serves on http://localhost:{port}/")
            self.stdout.flush()
            ended = first_end(processes, news)
        finally:
            stop(processes.values())
        if ended:
            raise CommandError(f"The {ended} ended by itself, so everything ends.")


def refuse_taken_port(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Cannot serve on {host}, port {port} ({error}). Try another port: PORT=8001 make run"
        ) from None


def refuse_missing_peppers():
    with suppress(DatabaseError):  # away, or not migrated: /health/ready tells of that
        for fault in peppers_are_complete(databases=["default"]):
            raise CommandError(f"{fault.msg} {fault.hint}")
    connection.close()


def web_server(host, port, workers):
    """The arguments for Python. One thread per process: pages wait for little but the database.

    Pages of Koppel Books wait for the API, which this server answers: for them there are threads more.
    """
    threads = 1 + settings.BOOKS_AT_ONCE if settings.PORTAL_BOOKS else 1
    return [
        *("-m", "granian", "portal.management.commands.serve:web_process", "--factory"),
        *("--interface", "wsgi", "--no-ws"),
        *("--host", host, "--port", str(port)),
        *(
            "--workers",
            str(workers),
            "--blocking-threads",
            str(threads),
            "--respawn-failed-workers",
        ),
        *("--workers-kill-timeout", str(WEB_GRACE), "--http1-header-read-timeout", "10000"),
        *("--log-level", "error"),
    ]


def web_process():
    """What granian loads in each web process."""
    # Until the portal is loaded, the process has the signal handler of granian's main process,
    # which does nothing here: it would not hear that it should end.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from portal.wsgi import application

    return application


def start(*arguments):
    """Start Python in a process group of its own: CTRL+C then reaches only us."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        process_group=0,
    )


def first_end(processes, news):
    """Wait; answer the name of the process that ended, or None for a signal to stop."""
    while news.get() == signal.SIGCHLD:
        for name, process in processes.items():
            if process.poll() is not None:
                return name
    return None


def stop(processes):
    """End the processes and all that they started: kindly, and after the grace by force."""
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.terminate()
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(deadline - time.monotonic())
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
