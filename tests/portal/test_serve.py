import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DATA": str(tmp_path_factory.mktemp("data")),
        "PORT": str(free_port()),
    }
    environment.pop("DATABASE_URL", None)
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    return environment


@pytest.fixture
def portal(environment):
    """A served portal in a session of its own, so that all its processes can be found."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        process.url = f"http://localhost:{environment['PORT']}/"
        wait_for(process.url + "health/ready")
        yield process
        for pid in processes_of(process.pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(lambda pid: os.kill(pid, signal.SIGTERM), id="SIGTERM"),
        pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="CTRL+C"),
    ],
)
def test_serves_until_told_to_stop_and_leaves_nothing_behind(portal, tell):
    assert len(processes_of(portal.pid)) == 5  # itself, granian with two processes, mail worker

    tell(portal.pid)

    assert portal.wait(10) == 0
    assert portal.stdout.read() == f"Koppel serves on {portal.url}\n"
    assert processes_of(portal.pid) == []


def test_ends_when_one_of_its_processes_ends(portal):
    worker = next(pid for pid in processes_of(portal.pid) if "manage.py work" in command_of(pid))

    os.kill(worker, signal.SIGKILL)

    assert portal.wait(10) == 1
    assert "The mail worker ended by itself, so everything ends." in portal.stdout.read()
    assert processes_of(portal.pid) == []


def test_a_taken_port_is_refused_with_a_sentence(environment):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        answer = subprocess.run(
            [sys.executable, "manage.py", "serve", "--port", port],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )

    assert answer.returncode == 1
    assert f"Cannot serve on 127.0.0.1, port {port}: " in answer.stderr
    assert "Traceback" not in answer.stderr


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(url):
    for _ in range(100):
        with suppress(URLError, ConnectionError), urlopen(url):  # noqa: S310
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def processes_of(session):
    pids = sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if session_of(pid) == session]


def session_of(pid):
    with suppress(ProcessLookupError):
        return os.getsid(pid)


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
