"""Figures for Prometheus: what each process counts, and what the database says when somebody asks.

`serve` shows them at PORTAL_METRICS, a port of their own which no proxy leads to.
"""

import os
import tempfile
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from django.conf import settings
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    multiprocess,
    start_http_server,
)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where the processes of one `serve` put what they count

REQUESTS = Counter("koppel_requests", "Answered requests", ["kind", "status"])
SECONDS = Histogram(
    "koppel_request_seconds",
    "How long requests took",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
CALLS = Counter("koppel_calls", "Calls of the API", ["function", "outcome"])
REFUSALS = Counter("koppel_refusals", "Refused calls of the API", ["code", "reason"])
MAILS = Counter("koppel_mails", "Mails handed to the mail server", ["outcome"])

_KINDS = {"api": "api", "static": "static", "health": "health", "admin": "desk"}


def observe(request, response, seconds: float) -> None:
    """Count an answered request, and for a call of the API how it ended."""
    kind = _KINDS.get(request.path_info.split("/", 2)[1], "page")
    if kind == "api" and request.resolver_match:
        code = getattr(response, "error_code", "")
        reason = getattr(response, "error_extra", {}).get("reason", "")
        name = request.resolver_match.url_name or ""
        observe_call(name, response.status_code, seconds, code, reason)
    else:
        _observe(kind, response.status_code, seconds)


def observe_call(name: str, status: int, seconds: float, code: str = "", reason: str = "") -> None:
    """Count a call of the API by the name of its function; `code` and `reason` are those of a refusal."""
    _observe("api", status, seconds)
    _of(CALLS, name, code or "ok").inc()
    if code:
        _of(REFUSALS, code, reason).inc()


def _observe(kind, status, seconds):
    _of(REQUESTS, kind, status).inc()
    _of(SECONDS, kind).observe(seconds)


@lru_cache(1024)
def _of(metric, *labels):
    return metric.labels(*labels)


@contextmanager
def shown(*further, of_children):
    """Show figures at PORTAL_METRICS meanwhile: with `of_children` those of all processes started from here.

    Does nothing without that setting, and where the process that started this one does it. Raises OSError.
    """
    if not settings.PORTAL_METRICS or FOLDER in os.environ:
        yield
        return
    with ExitStack() as meanwhile:
        if of_children:
            folder = meanwhile.enter_context(tempfile.TemporaryDirectory(prefix="koppel-"))
            os.environ[FOLDER] = folder
            meanwhile.callback(os.environ.pop, FOLDER)
        meanwhile.callback(show(*settings.PORTAL_METRICS, *further))
        yield


def show(host: str, port: int, *further):
    """Answer Prometheus at this address, in a thread: what the processes counted, and what `further` find.

    Returns what ends it. Raises OSError where the address is taken.
    """
    registry = CollectorRegistry()
    if FOLDER in os.environ:
        multiprocess.MultiProcessCollector(registry)
    else:
        registry.register(REGISTRY)
    for collector in further:
        registry.register(collector)
    server, _thread = start_http_server(port, host, registry)

    def end():
        server.shutdown()
        server.server_close()

    return end
