"""Breaks a served portal where a request asks for it.

`X-Break: Event` breaks after an Event is stored, `X-Break: answer` when all is done.
"""

from contextvars import ContextVar

from django.db.models.signals import post_save

_wanted = ContextVar("_wanted", default="")


class Broken(Exception):
    pass


def _break_writes(sender, **_signal):
    if _wanted.get() == sender.__name__:
        raise Broken(sender.__name__)


post_save.connect(_break_writes)


def breaks_on_demand(get_response):
    def middleware(request):
        wanted = request.headers.get("X-Break", "")
        token = _wanted.set(wanted)
        try:
            response = get_response(request)
        finally:
            _wanted.reset(token)
        if wanted == "answer":
            raise Broken(f"after {response.status_code}")
        return response

    return middleware
