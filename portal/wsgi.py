"""What the web server calls: the pages by Django's handler, the API by one of its own (decision 38)."""

import os
import time

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
if not apps.ready:  # a second time would filter the lines of the log twice
    django.setup(set_prefix=False)

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest, get_script_name  # noqa: E402
from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections  # noqa: E402
from django.urls import set_script_prefix  # noqa: E402
from django.utils.log import log_response  # noqa: E402

from connections.endpoints import gateways  # noqa: E402 (needs the models)
from portal import metrics, middleware  # noqa: E402

pages = WSGIHandler()
answer = middleware.answer_to_calls()


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if not path.startswith(middleware.API):
        return pages(environ, start_response)
    if path.startswith(gateways.ADDRESS) and middleware.is_https(environ):
        told = _let_through(environ)
        if told:
            start_response(*told)
            return []
    return _call(environ, start_response)


def _call(environ, start_response):
    """Django's handler without its signals: what listens to them costs as much as the gate of the API."""
    set_script_prefix(get_script_name(environ))
    request = WSGIRequest(environ)
    response = answer(request)
    if response.status_code >= 400:
        log_response("%s", response.reason_phrase, response=response, request=request)
    if connections[DEFAULT_DB_ALIAS].errors_occurred:
        close_old_connections()
    headers = dict(middleware.headers_of_calls()) | dict(response.headers.items())
    start_response(f"{response.status_code} {response.reason_phrase}", [*headers.items()])
    return [response.content]


def _let_through(environ):
    """Status and headers of the yes of verify, or None."""
    began, request_id = time.perf_counter(), middleware.new_request_id()
    answer = gateways.let_through(environ, request_id)
    if answer is None:
        return None
    status, told = answer
    metrics.observe_call("verify", int(status[:3]), time.perf_counter() - began)
    return status, [
        *middleware.headers_of_calls(),
        ("X-Request-ID", request_id),
        *told.items(),
    ]
