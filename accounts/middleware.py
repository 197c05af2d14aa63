"""The language of the person (R57), and when a session was seen last."""

import hashlib

from allauth.account.adapter import get_adapter
from allauth.usersessions.middleware import UserSessionsMiddleware
from django.core.cache import caches
from django.utils import translation

SEEN_AGAIN_AFTER = 60  # seconds


def language_of_user(get_response):
    """Speak the language chosen by the person; to strangers the one of their cookie or browser."""

    def middleware(request):
        user = request.user
        language = (
            user.language
            if user.is_authenticated
            else translation.get_language_from_request(request)
        )
        with translation.override(language):
            request.LANGUAGE_CODE = translation.get_language()
            response = get_response(request)
            response.headers.setdefault("Content-Language", request.LANGUAGE_CODE)
            return response

    return middleware


class SessionsSeen(UserSessionsMiddleware):
    """Write down when a session was seen, and from where: once a minute for each place, as it is a write."""

    def __call__(self, request):
        if request.session.session_key and request.user.is_authenticated and _was_seen(request):
            return self.get_response(request)
        return super().__call__(request)


def _was_seen(request):
    session, address = request.session.session_key, get_adapter().get_client_ip(request)
    place = f"{session} {address} {request.META.get('HTTP_USER_AGENT', '')}"
    mark = f"seen.{hashlib.sha256(place.encode()).hexdigest()}"
    return not caches["limits"].add(mark, True, SEEN_AGAIN_AFTER)
