"""A real portal for tests: its own processes and folder; people and software reach it over HTTP."""

import atexit
import base64
import http.client
import http.cookiejar
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import psycopg
from django.conf import settings
from django.db import connection


@dataclass
class Portal:
    """A served portal: its process, its address, its folder and what it prints."""

    process: subprocess.Popen
    url: str
    data: Path
    log: Path
    demo: dict = field(default_factory=dict)


@contextmanager
def served(data, *, workers=2):
    """Serve the demonstration from the new folder `data`; ends every process of it."""
    prepare(data)
    demo = json.loads(manage(data, "demo", "--json"))
    with serving(data, workers=workers) as portal:
        portal.demo = demo
        yield portal


def prepare(data):
    """Make the folder of an installation whose database is a copy of the one of the tests."""
    (data / "static").mkdir(parents=True)
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(data / "portal.sqlite3")) as copy:
            connection.ensure_connection()
            connection.connection.backup(copy)
    else:
        (data / "database_url").write_text(_copy_on_postgresql())


def _copy_on_postgresql():
    """The address of a new database like that of the tests before the first one; it ends with them."""
    name = f"koppel_{secrets.token_hex(6)}"
    _on_server(f"CREATE DATABASE {name} TEMPLATE {_template()}")
    atexit.register(_on_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def keep_template():
    """Set aside the database of the tests while nobody uses it: that is when PostgreSQL copies it."""
    connection.close()
    _on_server(f"DROP DATABASE IF EXISTS {_template()} WITH (FORCE)")
    _on_server(f"CREATE DATABASE {_template()} TEMPLATE {connection.settings_dict['NAME']}")
    atexit.register(_on_server, f"DROP DATABASE IF EXISTS {_template()} WITH (FORCE)")


def _template():
    return f"{connection.settings_dict['NAME']}_as_new"


def _on_server(statement):
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(statement)


@contextmanager
def database_of(data):
    """The database of an installation, for a look past the portal."""
    url = data / "database_url"
    if url.exists():
        with psycopg.connect(url.read_text(), autocommit=True) as database:
            yield database
    else:
        with closing(sqlite3.connect(data / "portal.sqlite3", timeout=20)) as database:
            yield database


@contextmanager
def serving(data, *, workers=2):
    """Serve what lies in the folder `data`, on a free port; ends every process of it."""
    port = free_port()
    log = log_of(data)
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--workers", str(workers), "--skip-checks"],
            cwd=settings.BASE_DIR,
            env=environment_of(data)
            | {"PORT": str(port), "PORTAL_BASE_URL": f"http://localhost:{port}"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_for(f"http://localhost:{port}/health/ready")
            yield Portal(process, f"http://localhost:{port}", data, log)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            kill(process)


def kill(process):
    """End the processes of a portal as a power cut does."""
    for pid in processes_of(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def environment_of(data):
    variables = {"DJANGO_SETTINGS_MODULE": "tests.served_settings", "PORTAL_DATA": str(data)}
    if (data / "database_url").exists():
        variables["DATABASE_URL"] = (data / "database_url").read_text()
    if settings.CACHE_URL:
        variables["CACHE_URL"] = settings.CACHE_URL
    return os.environ | variables


def log_of(data):
    return data.parent / f"{data.name}.log"


def manage(data, *arguments):
    """The output of a management command over the folder `data`."""
    with log_of(data).open("ab") as errors:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments, "--skip-checks"],
            cwd=settings.BASE_DIR,
            env=environment_of(data),
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

    def upload(self, path, **files):
        """Post a form with files, each a name and its bytes."""
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', self.page)[1]
        parts = [("csrfmiddlewaretoken", "", token.encode())]
        parts += [
            (field, f'; filename="{name}"', content) for field, (name, content) in files.items()
        ]
        body = b"".join(
            f'--limit\r\nContent-Disposition: form-data; name="{field}"{name}\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for field, name, content in parts
        )
        headers = {
            "Referer": self.url + path,
            "Content-Type": "multipart/form-data; boundary=limit",
        }
        return self._open(Request(self.url + path, body + b"--limit--\r\n", headers))

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
    """Software that keeps one line open."""

    def __init__(self, url, app_key, secret):
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        address = urlsplit(url)
        self.connection = kinds[address.scheme](address.netloc, timeout=30)
        pair = base64.b64encode(f"{app_key}:{secret}".encode()).decode()
        self.headers = {"Authorization": f"Basic {pair}"}

    def me(self, **headers):
        return self._call("GET", "/api/v1/me", headers=headers)[0]

    def get(self, path):
        return self._call("GET", path)[1]

    def post(self, path):
        return self._call("POST", path)

    def send(self, organisation, xml, idempotency_key):
        headers = {"Content-Type": "application/xml", "Idempotency-Key": idempotency_key}
        return self._call("POST", f"/api/v1/{organisation}/outbox", xml, headers)

    def _call(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, self.headers | (headers or {}))
        response = self.connection.getresponse()
        return response.status, response.read()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(url):
    for _ in range(300):
        with suppress(URLError, ConnectionError, TimeoutError), urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def wait_until(true, seconds=60):
    """Wait until `true()` is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)


def processes_of(session):
    pids = sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if session_of(pid) == session]


def session_of(pid):
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None
