"""The configurations of docs/gateways.md, in the gateways that Debian has."""

import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.conf import settings

from connections import services
from connections.catalogue import add_function
from connections.models import AddedFunction
from tests.factories import AppFactory, UserFactory, connect
from tests.serving import free_port
from tests.software import basic

TEXT = Path(settings.BASE_DIR, "docs", "gateways.md").read_text()
NGINX, CADDY = (
    shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin") for name in ("nginx", "caddy")
)


class Orders(BaseHTTPRequestHandler):
    """The API behind the gateway: says which headers reached it."""

    def do_GET(self):
        told = [self.headers.get(f"X-Koppel-{name}", "") for name in ("Organisation", "App-Key")]
        body = "|".join([*told, self.headers.get("Authorization", "none")]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 (the library's name)

    def log_message(self, *arguments):
        pass


@contextmanager
def orders():
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def configuration(language, koppel, orders, port):
    text = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[1]
    ports = {"8000": koppel, "9000": orders, "8080": port}
    return re.sub("8000|9000|8080", lambda found: str(ports[found[0]]), text)


def nginx(folder, text):
    head = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log; events {{}}"
    places = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "conf").write_text(f"{head}\nhttp {{ access_log off; {places}\n{text}\n}}")
    return [NGINX, "-p", str(folder), "-c", str(folder / "conf")]


def caddy(folder, text):
    (folder / "conf").write_text(f"{{\n\tadmin off\n}}\n{text}")
    return [CADDY, "run", "--config", str(folder / "conf"), "--adapter", "caddyfile"]


@pytest.fixture(
    params=[
        pytest.param(nginx, marks=pytest.mark.skipif(not NGINX, reason="no nginx")),
        pytest.param(caddy, marks=pytest.mark.skipif(not CADDY, reason="no Caddy")),
    ],
    ids=["nginx", "caddy"],
)
def gateway(request, live_server, tmp_path):
    """The port of a gateway with the documented configuration, before the portal and an API."""
    port = free_port()
    koppel = live_server.url.rpartition(":")[2]
    with orders() as behind:
        text = configuration(request.param.__name__, koppel, behind, port)
        command = request.param(tmp_path, text)
        log = (tmp_path / "output").open("wb")
        with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            wait_for(port)
            yield port
            process.terminate()


def wait_for(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionError:
            time.sleep(0.05)
    raise AssertionError("the gateway does not listen")


def call(port, path, pair=None, method="GET"):
    headers = {"X-Koppel-Organisation": "KPNL1", "X-Koppel-App-Key": "mine"}
    if pair:
        headers["Authorization"] = basic(pair.app_key, pair.secret.reveal())
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as line:
        line.request(method, path, "order=7" if method == "POST" else None, headers)
        answer = line.getresponse()
        return answer.status, answer.headers, answer.read().decode()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_documented_configuration_lets_through_refuses_and_passes_headers(gateway):
    function = AddedFunction(name="GetOrders", scope="RETRIEVE_ORDERS", label="list orders")
    add_function(function, by=UserFactory(staff=True))
    connection, pair = connect(app=AppFactory(functions=["GetOrders"]))
    _other, without = connect(organisation=connection.organisation)
    organisation = connection.organisation.organisation_id
    path = f"/{organisation}/orders?function=SendDocument"

    for method in ("GET", "POST"):
        status, _headers, body = call(gateway, path, pair, method)
        assert (status, body) == (200, f"{organisation}|{pair.app_key}|none")

    status, headers, _body = call(gateway, path)
    assert (status, headers["WWW-Authenticate"][:5]) == (401, "Basic")

    status, headers, _body = call(gateway, "/KPNL99999/orders", pair)
    assert (status, headers["X-Koppel-Code"]) == (403, "ERRGRP3000006")

    status, headers, _body = call(gateway, path, without)
    told = status, headers["X-Koppel-Code"], headers["X-Koppel-Reason"], headers["X-Request-ID"][:4]
    assert told == (403, "ERRCDO4000011", "app", "req_")

    services.revoke(connection=connection, by=connection.owner)
    status, headers, _body = call(gateway, path, pair)
    assert (status, headers["X-Koppel-Reason"]) == (401, "revoked")
