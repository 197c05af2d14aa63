"""What happens around every request."""

import secrets
import time
from functools import lru_cache

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.utils.module_loading import import_string

from portal import metrics
from portal.logs import current_request_id

API = "/api/v1/"


def request_id(get_response):
    """Name the request; the name is in its log lines, its errors and its answer's X-Request-ID."""

    def middleware(request):
        request.id = new_request_id()
        token = current_request_id.set(request.id)
        try:
            response = get_response(request)
        finally:
            current_request_id.reset(token)
        response.headers["X-Request-ID"] = request.id
        return response

    return middleware


def new_request_id() -> str:
    """One that nobody guesses or meets again."""
    return "req_" + secrets.token_hex(10)


def measured(get_response):
    """Count the answer and how long it took, for those who watch."""

    def middleware(request):
        began = time.perf_counter()
        response = get_response(request)
        metrics.observe(request, response, time.perf_counter() - began)
        return response

    return middleware


def security_headers(get_response):
    """Strict Content-Security-Policy on everything; nothing is stored by a cache that does not ask for it."""
    headers = {
        "Content-Security-Policy": "; ".join(
            f"{name} {' '.join(sources)}" for name, sources in settings.SECURE_CSP.items()
        ),
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
        "Cache-Control": "no-store, private",
    }

    def middleware(request):
        response = get_response(request)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


def api_shortcut(get_response):
    """Lead /api/v1/ around the middleware of the pages: no session, no cookies, no CSRF, no files.

    An API call is known by its keys alone, and has a short stack of its own: so this one comes first. The web
    server calls that stack itself (portal.wsgi); here it stands for tests and other servers.
    """
    answer = answer_to_calls()

    def middleware(request):
        if not request.path_info.startswith(API):
            return get_response(request)
        response = answer(request)
        for name, value in headers_of_calls():
            response.headers.setdefault(name, value)
        return response

    return middleware


def answer_to_calls():
    """What makes the answer to a request of the API, but for `headers_of_calls`."""
    answer = _in_our_form()
    for name in reversed(settings.API_MIDDLEWARE):
        answer = import_string(name)(answer)
    return convert_exception_to_response(answer)


def is_https(environ) -> bool:
    """Whether a call, known by its environ of WSGI, came as it should: over https where that is a must."""
    if not settings.SECURE_SSL_REDIRECT:
        return True
    request = HttpRequest()
    request.META = environ
    request._get_scheme = lambda: environ["wsgi.url_scheme"]
    return request.is_secure()


@lru_cache(1)
def headers_of_calls() -> list[tuple[str, str]]:
    """What every answer of the API carries, whoever asked what."""
    request = HttpRequest()
    request._get_scheme = lambda: "https" if settings.SECURE_SSL_REDIRECT else "http"
    answered = SecurityMiddleware(security_headers(lambda request: HttpResponse()))
    headers = answered(request).headers
    del headers["Content-Type"]
    return [*headers.items(), ("Vary", "Authorization")]


def over_https(get_response):
    """Send calls in clear to https where that is a must."""
    redirected = SecurityMiddleware(get_response).process_request

    def middleware(request):
        return redirected(request) or get_response(request)

    return middleware


def _in_our_form():
    direct = BaseHandler()
    direct._view_middleware = direct._template_response_middleware = (
        direct._exception_middleware
    ) = []

    def found(request):
        from connections import errors  # portal knows nothing of the domain at import

        try:
            return direct._get_response(request)
        except Http404:  # before a page about it is made
            return errors.answer(request, errors.NOT_FOUND)

    answer = convert_exception_to_response(found)

    def answered(request):
        from connections import api, errors

        response = errors.in_our_form(request, answer(request))
        api.count(request, response)
        return response

    return answered
