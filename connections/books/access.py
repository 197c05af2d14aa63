"""Whose books a page shows: each browser has an administration of its own, and no page shows another."""

from datetime import timedelta
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.utils import timezone

from connections.books.models import KEPT, Administration

COOKIE = "koppel-books"
SALT = "connections.books"


def own_books(view):
    """Give the view `request.administration`: the one of this browser, or an empty one that is not stored.

    Nobody signs in here. The cookie (256 random bits, signed) is the key to the books; pages are not stored.
    """

    @wraps(view)
    def bound(request, *args, **kwargs):
        token = request.get_signed_cookie(COOKIE, default="", salt=SALT, max_age=KEPT)
        request.administration = Administration.objects.of(token) or Administration()
        request.books_token = ""
        _note_use(request, token)
        response = view(request, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store, private"
        if request.books_token:
            response.set_signed_cookie(
                COOKIE,
                request.books_token,
                salt=SALT,
                max_age=KEPT,
                path="/books/",
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    bound.own_books = True
    return login_not_required(bound)


def keep(request) -> Administration:
    """Store the administration of this browser, when it is new; the answer carries its cookie."""
    if request.administration.pk is None:
        request.administration, request.books_token = Administration.objects.open_new()
    return request.administration


def _note_use(request, token):
    administration, now = request.administration, timezone.now()
    if administration.pk and now - administration.used_at > timedelta(days=1):
        administration.used_at = now
        administration.save(update_fields=["used_at"])
        request.books_token = token
