"""Runs the two halves of the portal, web server and worker: they live and end together."""

import os
import queue
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from portal import metrics, waiting
from portal.checks import peppers_are_complete
from portal.processes import end_with_parent, tell_systemd, turn_away
from portal.web import BACKLOG
from portal.web import GRACE as WEB_GRACE

GRACE = WEB_GRACE + 5  # seconds for a clean end
READY_WITHIN = 60  # seconds
QUEUE_WITHIN = 5  # seconds
ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}  # each more of glibc keeps some megabytes that nobody uses
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Command(BaseCommand):
    help = (
        "Serves the portal: web server and worker, until CTRL+C or SIGTERM. "
        "SIGHUP replaces both with new ones, which load code and settings anew."
    )

    def add_arguments(self, parser):
        parser.add_argument("--host", default=os.environ.get("PORTAL_HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"))
        parser.add_argument("--workers", type=int, default=2, help="web processes, one per core")
        parser.add_argument(
            "--no-worker", action="store_true", help="web server alone: `work` runs elsewhere"
        )

    def handle(self, *, host, port, workers, no_worker, **options):
        refuse_missing_peppers()
        news = queue.SimpleQueue()  # the one kind of queue that a signal handler may put into
        for number in (*STOP_SIGNALS, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda number, frame: news.put(number))
        with opened(host, port) as listener, figures():
            portal = Portal(listener, processes=workers, with_worker=not no_worker)
            try:
                portal.start()
                self.stdout.write(f"Koppel serves on http://localhost:{port}/")
                self.stdout.flush()
                self.watch(portal, news)
            finally:
                tell_systemd("STOPPING=1")
                turn_away(listener, seconds=QUEUE_WITHIN)
                portal.stop()

    def watch(self, portal, news):
        """Go on until told to stop. Raises CommandError when a process ends by itself."""
        tell_systemd("READY=1")
        while (number := news.get()) not in STOP_SIGNALS:
            if number == signal.SIGHUP:
                tell_systemd("RELOADING=1")
                try:
                    portal.replace()
                    self.stdout.write("New processes have taken over.")
                    self.stdout.flush()
                except NotReady as problem:
                    self.stderr.write(f"{problem} The processes of before go on.")
                tell_systemd("READY=1")
            elif ended := portal.ended():
                raise CommandError(f"The {ended} ended by itself, so everything ends.")


class NotReady(CommandError):
    pass


def opened(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Cannot serve on {host}, port {port} ({error}). Try another port: PORT=8001 make run"
        ) from None
    # Inherited by every line: or the body of an answer waits 40 ms for the client to confirm the headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextmanager
def figures():
    try:
        with metrics.shown(waiting.Figures(), of_children=True):
            yield
    except OSError as error:
        address = ":".join(map(str, settings.PORTAL_METRICS))
        raise CommandError(f"PORTAL_METRICS={address} cannot be used ({error}).") from None


def refuse_missing_peppers():
    with suppress(DatabaseError):  # away, or not migrated: /health/ready tells of that
        for fault in peppers_are_complete(databases=["default"]):
            raise CommandError(f"{fault.msg} {fault.hint}")
    connection.close()


class Portal:
    """The processes behind `listener`, a listening socket; without `with_worker` only web processes."""

    def __init__(self, listener, *, processes, with_worker):
        self.listener, self.processes, self.with_worker = listener, processes, with_worker
        self.running = {}
        self.leaving = []

    def start(self):
        self.running["web server"] = self._started_web_server()
        if self.with_worker:
            self.running["worker"] = python("manage.py", "work", "--skip-checks")

    def replace(self):
        """Let new processes take over; raises NotReady, and changes nothing, where they do not start."""
        web_server = self._started_web_server()
        for process in self.running.values():
            process.terminate()
            self.leaving.append(process)
        self.running = {"web server": web_server}
        if self.with_worker:
            self.running["worker"] = python("manage.py", "work", "--skip-checks")

    def ended(self):
        """The name of the process that ended though nobody told it to, or None."""
        self.leaving = [process for process in self.leaving if process.poll() is None]
        return next((name for name, it in self.running.items() if it.poll() is not None), None)

    def stop(self):
        stop([*self.running.values(), *self.leaving])

    def _started_web_server(self):
        reader, writer = os.pipe()
        handed = (self.listener.fileno(), writer)
        process = python(
            "-m", "portal.web", *map(str, handed), str(self.processes), pass_fds=handed
        )
        os.close(writer)
        with os.fdopen(reader, "rb") as told:
            if not all_told(told, self.processes):
                stop([process])
                raise NotReady("The web server did not start; the lines above may say why.")
        return process


def all_told(pipe, number):
    """Wait until that many bytes came; False when the other side ended or took longer than a minute."""
    deadline = time.monotonic() + READY_WITHIN
    while number and select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
        came = len(os.read(pipe.fileno(), number))
        if not came:
            break
        number -= came
    return not number


def python(*arguments, pass_fds=()):
    """Start Python in a process group of its own: CTRL+C then reaches only us.

    The folder is the one where the project is now: a link that leads to another release since we began
    is followed once more, and the process stays with what it finds.
    """
    folder = Path(sys.argv[0]).absolute().parent.resolve()
    interpreter = Path(sys.executable)
    return subprocess.Popen(  # noqa: S603
        [interpreter.parent.resolve() / interpreter.name, *arguments],
        cwd=folder,
        env=ONE_HEAP | os.environ,
        stdin=subprocess.DEVNULL,
        process_group=0,
        pass_fds=pass_fds,
        preexec_fn=end_with_parent,
    )


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
