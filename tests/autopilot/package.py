"""A package on the other side: a small HTTP server that answers as a test tells it, and keeps what it got."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Package:
    """Answers each POST with what `behave(message)` says: a status, (status, headers), or None to hang up."""

    def __init__(self, tls=None):
        self.got = []  # (headers, body) of every request
        self.behave = lambda message: 200
        self._lock = threading.Lock()
        package = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with package._lock:
                    package.got.append((dict(self.headers), body))
                said = package.behave(json.loads(body))
                if said is None:
                    self.close_connection = True
                    return
                status, headers = said if isinstance(said, tuple) else (said, {})
                self.send_response(status)
                for name, value in {"content-length": "2", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *args):
                pass  # whoever called has hung up

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    @property
    def host(self):
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self):
        return f"http://{self.host}/invoices"

    @property
    def messages(self):
        return [json.loads(body) for _headers, body in self.got]

    @property
    def numbers(self):
        """The numbers of the invoices, in the order in which they came."""
        return [said["data"].get("number") for said in self.messages]

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _body in self.got]


def slowly(seconds):
    def behave(message):
        time.sleep(seconds)
        return 200

    return behave
