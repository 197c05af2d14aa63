"""A package on the other side: a small HTTP server that answers as a test tells it, and keeps what it got."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Package:
    """Answers each POST with what `behave(message)` says: a status, (status, headers), or None to hang up."""

    def __init__(self, tls=None):
        self.got = []  # (headers, body) of every request
        self.kept = []  # (webhook-id, number) of what it took, though it may have hung up before it said so
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
                if said in (200, None):
                    number = json.loads(body).get("data", {}).get("number")
                    package.kept.append((self.headers["webhook-id"], number))
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

        self._serve = lambda port: Server(("127.0.0.1", port), Handler)
        self._tls, self._port = tls, 0

    def __enter__(self):
        self._server = self._serve(self._port)
        self._port = self._server.server_port
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    def die(self):
        """Be away, until `live`."""
        self.__exit__()

    def live(self):
        self.__enter__()

    @property
    def host(self):
        return f"127.0.0.1:{self._port}"

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
