import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
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
    variables = data / "variables"
    variables.write_text("PORTAL_BOOKS=0\n")
    return environment_of(data) | {
        "PORTAL_SETTINGS_FILE": str(variables),
        "PORT": str(free_port()),
    }


@contextmanager
def served(environment, *arguments, root=settings.BASE_DIR):
    """A served portal in a session of its own, so that all its processes can be found."""
    with subprocess.Popen(
        [sys.executable, root / "manage.py", "serve", "--workers", "1", *arguments],
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


@pytest.fixture
def portal(environment):
    with served(environment, "--skip-checks") as process:
        yield process


@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(lambda pid: os.kill(pid, signal.SIGTERM), id="SIGTERM"),
        pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="CTRL+C"),
    ],
)
def test_serves_until_told_to_stop_and_leaves_nothing_behind(portal, tell):
    assert len(processes_of(portal.pid)) == 4  # itself, web server with one process, worker

    tell(portal.pid)

    assert portal.wait(10) == 0
    assert portal.stdout.read() == f"Koppel serves on {portal.url}\n"
    assert processes_of(portal.pid) == []


def test_ends_when_one_of_its_processes_ends(portal):
    os.kill(worker_of(portal), signal.SIGKILL)

    assert portal.wait(10) == 1
    assert "The worker ended by itself, so everything ends." in portal.stdout.read()
    assert processes_of(portal.pid) == []


def test_kill_9_of_the_command_ends_all_its_processes(portal):
    os.kill(portal.pid, signal.SIGKILL)

    portal.wait()
    assert soon(lambda: processes_of(portal.pid) == [])


def test_without_worker_only_web_processes_run(environment):
    with served(environment, "--skip-checks", "--no-worker") as portal:
        assert len(processes_of(portal.pid)) == 3


def test_sighup_brings_new_processes_with_new_settings_and_refuses_nobody(portal, environment):
    before = set(processes_of(portal.pid)) - {portal.pid}
    variables = Path(environment["PORTAL_SETTINGS_FILE"])
    variables.write_text("PORTAL_BOOKS=1\n")

    portal.send_signal(signal.SIGHUP)
    pages = []
    while len(pages) < 20 or not before.isdisjoint(processes_of(portal.pid)):
        pages.append(page(portal, "/books/"))
        assert len(pages) < 5000

    assert (pages[0], pages[-1], set(pages)) == (404, 200, {404, 200})
    assert len(processes_of(portal.pid)) == 4


def test_sighup_with_settings_that_cannot_be_read_changes_nothing(portal, environment):
    before = processes_of(portal.pid)
    variables = Path(environment["PORTAL_SETTINGS_FILE"])
    text = variables.read_text()
    variables.write_text("PORTAL_BASE_URL=portal\n")

    portal.send_signal(signal.SIGHUP)
    told = iter(portal.stdout.readline, "")
    assert any("The processes of before go on." in line for line in told)
    variables.write_text(text)

    assert processes_of(portal.pid) == before
    assert page(portal, "/health/ready") == 200


def test_sighup_follows_a_link_to_the_next_release(environment, tmp_path):
    current = tmp_path / "current"
    current.symlink_to(release(tmp_path / "one", environment))
    with served(environment, "--skip-checks", root=current) as portal:
        first = folders_of(portal)
        current.unlink()
        current.symlink_to(release(tmp_path / "two", environment))

        portal.send_signal(signal.SIGHUP)

        assert first == {tmp_path / "one"}
        assert soon(lambda: folders_of(portal) == {tmp_path / "two"})
        assert page(portal, "/health/ready") == 200


def test_a_request_under_way_is_answered_before_the_end(portal):
    address = ("localhost", int(portal.url.rpartition(":")[2].strip("/")))
    head = b"POST /api/v1/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234"
    with socket.create_connection(address) as line:
        line.sendall(head)
        time.sleep(1)
        portal.terminate()
        time.sleep(1)
        line.sendall(b"56789")

        assert line.recv(100).startswith(b"HTTP/1.1 400 ")
    assert portal.wait(10) == 0


def test_systemd_hears_when_it_is_ready_reloads_and_stops(environment, tmp_path):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(30)
        with served(environment | {"NOTIFY_SOCKET": address}, "--skip-checks") as portal:
            told = [systemd.recv(100)]
            portal.send_signal(signal.SIGHUP)
            told += [systemd.recv(100), systemd.recv(100)]
            portal.terminate()
            told.append(systemd.recv(100))

    assert told == [b"READY=1", b"RELOADING=1", b"READY=1", b"STOPPING=1"]


def test_a_taken_port_is_refused_with_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(CommandError, match=f"Cannot serve on 127.0.0.1, port {port} "):
            call_command("serve", port=port)


def test_a_file_of_variables_that_is_missing_is_refused_with_a_sentence(environment):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=settings.BASE_DIR,
        env=environment | {"PORTAL_SETTINGS_FILE": "/nowhere"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "PORTAL_SETTINGS_FILE cannot be read: " in done.stderr


def page(portal, path, tries=2):
    """Its status, asked over a line of its own.

    One that a process took in its last instant, before anything was asked, it closes; clients ask again then.
    """
    with closing(http.client.HTTPConnection(portal.url[7:-1], timeout=30)) as line:
        line.request("GET", path)
        try:
            return line.getresponse().status
        except http.client.RemoteDisconnected:
            if tries == 1:
                raise
            return page(portal, path, tries - 1)


def release(folder, environment):
    """A folder in which this very project is installed."""
    folder.mkdir()
    for name in (
        *("accounts", "connections", "partners", "portal", "templates", "static"),
        "tests",
    ):
        (folder / name).symlink_to(settings.BASE_DIR / name)
    (folder / "manage.py").write_text((settings.BASE_DIR / "manage.py").read_text())
    return folder


def folders_of(portal):
    """Where the processes that serve started are at home."""
    folders = set()
    for pid in processes_of(portal.pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended in between
            if pid != portal.pid:
                folders.add(Path(f"/proc/{pid}/cwd").readlink())
    return folders


def worker_of(portal):
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in processes_of(portal.pid)}
    return next(pid for pid, command in commands.items() if "manage.py\0work" in command)


def soon(holds):
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.1)
    return False
