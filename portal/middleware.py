"""What happens around every request."""

import secrets
import time

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.utils.cache import patch_vary_headers

from portal import metrics
from portal.logs import current_request_id


def request_id(get_response):
    """Name the request; the name is in its log lines, its errors and its answer's X-Request-ID."""

    def middleware(request):
        request.id = "req_" + secrets.token_hex(10)
        token = current_request_id.set(request.id)
        try:
            response = get_response(request)
        finally:
            current_request_id.reset(token)
        response.headers["X-Request-ID"] = request.id
        return response

    return middleware


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
    """Lead /api/v1/ around the middleware of the pages: no session, no cookies, no CSRF, no redirects.

    An API call is known by its keys alone, and costs half of what a page costs before its view begins.
    """
    direct = BaseHandler()
    direct._view_middleware = direct._template_response_middleware = (
        direct._exception_middleware
    ) = []
    answer = convert_exception_to_response(direct._get_response)

    def middleware(request):
        if not request.path_info.startswith("/api/v1/"):
            return get_response(request)
        from connections import api, errors  # portal knows nothing of the domain at import

        response = errors.in_our_form(request, answer(request))
        api.count(request, response)
        patch_vary_headers(response, ["Authorization"])
        return response

    return middleware
