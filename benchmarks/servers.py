"""Processes to measure, and what they cost, as /proc tells."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg

from benchmarks.installations import ROOT

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """Processes that answer on a port of this machine."""

    process: subprocess.Popen
    port: int
    database_url: str = ""

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu(self):
        """Seconds of CPU of each of its processes until now."""
        return {pid: _cpu_of(pid) for pid in self.pids()}

    def database_cpu(self):
        """Those of the database's processes that work for it; none where it is part of ours."""
        if not self.database_url:
            return {}
        with psycopg.connect(self.database_url) as database:
            return {pid: _cpu_of(pid) for (pid,) in database.execute(_BACKENDS)}

    def pids(self):
        return _with_children(self.process.pid)

    def web_processes(self):
        """Those that answer: the youngest generation."""
        pids = self.pids()
        return [pid for pid in pids if not _children(pid)]

    def memory(self):
        """Bytes in memory of each process that answers, the largest first."""
        return sorted((_memory_of(pid) for pid in self.web_processes()), reverse=True)


_BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def spent(before, after):
    """Seconds of CPU between two looks at the same processes."""
    return sum(seconds - before.get(pid, 0) for pid, seconds in after.items())


@contextmanager
def portal(installation, *, log=None):
    """The portal as it is shipped: manage.py serve, without the worker."""
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--no-worker", "--port", str(port)]
    variables = {"PORTAL_BASE_URL": f"http://localhost:{port}"}
    with _started(command, installation.environment | variables, port, "/health/live", log) as it:
        it.database_url = installation.database_url
        yield it


@contextmanager
def granian(application, installation, path):
    """Another WSGI application under the same web server with as many processes."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "2"]
    command += ["--blocking-threads", "1", "--no-ws", "--log-level", "error", "--host", "127.0.0.1"]
    command += ["--port", str(port), application]
    with _started(command, installation.environment, port, path, None) as it:
        it.database_url = installation.database_url
        yield it


@contextmanager
def _started(command, environment, port, path, log):
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=log or subprocess.DEVNULL,
        stderr=log or subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        server = Server(process, port)
        try:
            wait_for(server.url(path), process)
            yield server
        finally:
            pids = server.pids()
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)


def wait_for(url, process=None, seconds=60):
    """Wait until `url` answers; the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        with suppress(URLError, ConnectionError, TimeoutError), urlopen(url, timeout=5) as answer:
            answer.read()
            return time.monotonic() - began
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"{url} does not answer.")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _with_children(pid):
    found = [pid]
    for process in found:
        found += _children(process)
    return found


def _children(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def _cpu_of(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / TICK
    return 0.0


def _memory_of(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0
