"""A real portal for tests: its own processes and folder; people and software reach it over HTTP."""

import base64
import http.client
import http.cookiejar
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest
from django.conf import settings
from django.db import connection


@dataclass
class Portal:
    """A served portal: its process, its address, its folder and what it prints."""

    process: subprocess.Popen
    url: str
    data: Path
    log: Path
    demo: dict


@contextmanager
def served(data, *, workers=2, settings_module="tests.served_settings"):
    """Serve the demonstration from the new folder `data`; ends every process of it."""
    if connection.vendor != "sqlite":
        pytest.skip("the processes do not depend on the database")
    data.mkdir()
    (data / "static").mkdir()
    with closing(sqlite3.connect(data / "portal.sqlite3")) as copy:
        connection.ensure_connection()
        connection.connection.backup(copy)
    port = free_port()
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": settings_module,
        "PORTAL_DATA": str(data),
        "PORTAL_BASE_URL": f"http://localhost:{port}",
        "PORT": str(port),
    }
    log = data.parent / f"{data.name}.log"
    demo = json.loads(manage(environment, log, "demo", "--json"))
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--workers", str(workers), "--skip-checks"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        portal = Portal(process, f"http://localhost:{port}", data, log, demo)
        try:
            wait_for(portal.url + "/health/ready")
            yield portal
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            for pid in processes_of(process.pid):
                os.kill(pid, signal.SIGKILL)


def manage(environment, log, *arguments):
    with log.open("ab") as errors:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments, "--skip-checks"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=True,
        ).stdout


class Person:
    """A browser without a screen: keeps cookies and sends the token of the form it saw last."""

    def __init__(self, url):
        self.url = url
        self.opener = build_opener(HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.page = ""

    def get(self, path):
        return self._open(Request(self.url + path))

    def post(self, path, **values):
        values["csrfmiddlewaretoken"] = re.search(r'csrfmiddlewaretoken" value="(\w+)"', self.page)[
            1
        ]
        headers = {"Referer": self.url + path, **values.pop("headers", {})}
        return self._open(Request(self.url + path, urlencode(values).encode(), headers))

    def log_in(self, email, password):
        self.get("/accounts/login/")
        self.post("/accounts/login/", login=email, password=password)

    def _open(self, request):
        try:
            with self.opener.open(request, timeout=30) as response:
                status, self.page = response.status, response.read().decode()
        except HTTPError as error:
            status, self.page = error.code, error.read().decode()
        return status


class Caller:
    """Software that keeps one connection open and calls `me`."""

    def __init__(self, url, app_key, secret):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        pair = base64.b64encode(f"{app_key}:{secret}".encode()).decode()
        self.headers = {"Authorization": f"Basic {pair}"}

    def me(self, **headers):
        self.connection.request("GET", "/api/v1/me", headers=self.headers | headers)
        response = self.connection.getresponse()
        response.read()
        return response.status


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(url):
    for _ in range(300):
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
    return None
