"""What time does: memory after many requests, and how long a start takes."""

import os
import signal
import subprocess
import tempfile

from benchmarks.api import ME, VERIFY
from benchmarks.installations import ROOT
from benchmarks.load import Calls, Visits
from benchmarks.pages import lists
from benchmarks.servers import free_port, portal, wait_for

FEW, MANY = 10_000, 100_000


def memory(installation, *, long):
    """Megabytes of the largest web process after 10,000 requests of all kinds, and after 100,000."""
    keys, note = installation.folder / "keys.tsv", installation.note
    with portal(installation) as server:
        cases = [
            Calls("me", server, ME, keys),
            Calls("verify", server, VERIFY, keys),
            Calls("plain", server, "/plain"),
            *(
                Visits(it.name, server, it.path, cookie=note["cookies"][it.visitor])
                for it in lists(note)
            ),
        ]
        done = _called(cases, FEW)
        few = server.memory()[0] / 1e6
        if not long:
            return {"memory": few}
        _called(cases, MANY - done)
        return {"memory": few, "memory growth": server.memory()[0] / 1e6 / few}


def _called(cases, number):
    """Call all of them in turn until there were that many calls."""
    done = 0
    while done < number:
        done += sum(case.burst()["calls"] for case in cases)
    return done


def start():
    """Seconds until `make run` answers, all of it installed and its data made: the second start."""
    with tempfile.TemporaryDirectory(prefix="koppel-bench-start-") as folder:
        _started(folder, within=600)
        return _started(folder, within=60)


def _started(folder, within):
    port = free_port()
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PORTAL_", "DATABASE_", "CACHE_"))
    }
    with subprocess.Popen(
        ["sh", "scripts/run.sh"],
        cwd=ROOT,
        env=kept | {"PORT": str(port), "PORTAL_DATA": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return wait_for(f"http://127.0.0.1:{port}/health/live", process, seconds=within)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
