import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.serving import environment_of, free_port, prepare, processes_of, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(scope="module")
def environment(tmp_path_factory, django_db_setup, django_db_blocker):
    """The variables of an installation whose database is a copy of the one of the tests."""
    data = tmp_path_factory.mktemp("installation") / "data"
    with django_db_blocker.unblock():
        prepare(data)
    as_shipped = {"DJANGO_SETTINGS_MODULE": "portal.settings", "PORT": str(free_port())}
    return environment_of(data) | as_shipped


@pytest.fixture
def portal(environment):
    """A served portal in a session of its own, so that all its processes can be found."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--workers", "1", "--skip-checks"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        process.url = f"http://localhost:{environment['PORT']}/"
        try:
            wait_for(process.url + "health/ready")
            yield process
        finally:
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
    assert len(processes_of(portal.pid)) == 4  # itself, web server with one process, mail worker

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


def test_a_taken_port_is_refused_with_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(CommandError, match=f"Cannot serve on 127.0.0.1, port {port} "):
            call_command("serve", port=port)


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
