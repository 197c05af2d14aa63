"""Several processes of one installation behind nginx, as deploy/ ships it: for tests, and for the scanner."""

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

from tests.serving import environment_of, free_port, log_of, manage, prepare, processes_of

CONFIGURATION = Path(settings.BASE_DIR, "deploy/nginx/koppel.conf")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def cluster(folder, *, instances=3):
    """The demonstration in the new `folder`, served by that many instances behind nginx over https."""
    data = folder / "data"
    with ExitStack() as stack:
        stack.enter_context(database(data))
        demo = json.loads(manage(data, "demo", "--json"))
        it = stack.enter_context(_Cluster(folder, instances))
        it.demo = demo
        yield it


@contextmanager
def database(data):
    """A copy of the database of the tests; with PostgreSQL a new one, named in DATABASE_URL."""
    if connection.vendor == "sqlite":
        prepare(data)
        yield
        return
    name = f"koppel_cluster_{uuid.uuid4().hex[:8]}"
    url, before = urlsplit(os.environ["DATABASE_URL"]), os.environ["DATABASE_URL"]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    os.environ["DATABASE_URL"] = url._replace(path=f"/{name}").geturl()
    try:
        manage(data, "migrate", "--verbosity", "0")
        yield
    finally:
        os.environ["DATABASE_URL"] = before
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


class _Cluster:
    def __init__(self, folder, instances):
        self.folder, self.data = folder, folder / "data"
        self.https, self.http = free_port(), free_port()
        self.url = f"https://localhost:{self.https}"
        self.certificate = certificate(folder)
        self.ports = [free_port() for _ in range(instances)]
        self.started = []
        self.instances = {}

    def __enter__(self):
        try:
            for port in self.ports:
                self.serve(port)
            command = nginx(self.folder, self.configuration())
            tried = subprocess.run([*command, "-t"], capture_output=True, text=True)
            assert tried.returncode == 0, tried.stderr
            self.started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            for port in self.ports:
                answers(f"http://localhost:{port}/health/ready")
            answers(f"{self.url}/health/ready", self.trust())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        for process in self.started:
            process.terminate()
        for process in self.started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            for pid in [process.pid, *processes_of(process.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()

    def start(self, *arguments, stdout=None, **variables):
        """Start a command of manage.py in a session of its own."""
        behind = {"PORTAL_BASE_URL": self.url, "PORTAL_PROXIES": "1"}
        with log_of(self.data).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=settings.BASE_DIR,
                env=environment_of(self.data) | behind | variables,
                stdout=stdout or log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def serve(self, port, **variables):
        arguments = ("serve", "--no-worker", "--workers", "1", "--port", str(port))
        self.instances[port] = self.start(*arguments, **variables)

    def trust(self):
        return ssl.create_default_context(cafile=self.certificate)

    def configuration(self):
        """The shipped configuration with the addresses and folders of this test."""
        text = CONFIGURATION.read_text()
        first = self.ports[0]
        ports = dict(zip(("8001", "8002", "8003"), self.ports, strict=False))
        text = re.sub(
            r"127\.0\.0\.1:(800\d)", lambda it: f"127.0.0.1:{ports.get(it[1], first)}", text
        )
        for shipped, here in {
            "listen [::]:": "# ",
            "listen 80;": f"listen 127.0.0.1:{self.http};",
            "listen 443": f"listen 127.0.0.1:{self.https}",
            "portal.example.org;": "localhost;",
            "/etc/letsencrypt/live/portal.example.org/fullchain.pem": self.certificate,
            "/etc/letsencrypt/live/portal.example.org/privkey.pem": self.folder / "key.pem",
            "https://portal.example.org$": f"{self.url}$",
            "/var/log/nginx": self.folder,
            "/var/cache/nginx": self.folder,
        }.items():
            assert shipped in text, shipped
            text = text.replace(shipped, str(here))
        return text


def nginx(folder, text):
    """The command that runs nginx with this text inside of http { }."""
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/nginx.log;\n"
        f"events {{ worker_connections 2048; }}\nhttp {{ {places}\n{text}\n}}"
    )
    return [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def certificate(folder):
    """A certificate for localhost that signs itself."""
    path = folder / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -batch"
    subprocess.run(
        [
            *command.split(),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", path),
        ],
        check=True,
        capture_output=True,
    )
    return path


def answers(url, context=None):
    for _ in range(600):
        with suppress(URLError, ConnectionError), urlopen(url, context=context):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
