"""Koppel Books and a served portal, joined by nothing but HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import connect, organisation_at

BAKERY, MILL = "0088:7300010000001", "0192:987654325"


@pytest.fixture
def api(live_server, settings):
    """The address of a served API, which Books calls."""
    settings.PORTAL_BASE_URL = live_server.url
    settings.BOOKS_API = f"{live_server.url}/api/v1"
    return settings.BOOKS_API


@pytest.fixture
def bakery(api):
    """A connection of a bakery and its keys."""
    return connect(organisation=organisation_at(BAKERY, name="Bakery"))


@pytest.fixture
def mill(api):
    """A connection of a mill and its keys."""
    return connect(organisation=organisation_at(MILL, name="Mill"))


class Browser(Client):
    """Somebody who uses Koppel Books."""

    def open(self, name, *arguments):
        return self.get(reverse(f"books:{name}", args=arguments))

    def fill_in(self, name, *arguments, **values):
        return self.post(reverse(f"books:{name}", args=arguments), values, follow=True)

    def enter(self, pair, **values):
        """Type both keys into the settings, save and test."""
        keys = {"app_key": pair.app_key, "secret": pair.secret.reveal()}
        return self.fill_in("settings", **keys, **values)


@pytest.fixture
def visitor():
    return Browser()


@pytest.fixture
def books(visitor, bakery):
    """A browser whose books are connected to the bakery."""
    visitor.enter(bakery[1])
    return visitor


@pytest.fixture
def answering(settings):
    """Let another server stand where the portal should be: `answering(status, body, **headers)`."""
    servers = []

    def answer(status, body, **headers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            do_POST = do_GET  # noqa: N815

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        settings.BOOKS_API = f"http://127.0.0.1:{server.server_port}/api/v1"

    yield answer
    for server in servers:
        server.shutdown()
        server.server_close()
