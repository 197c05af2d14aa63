"""Pages of lists by key, never by offset: the last page of a long list costs what the first one costs."""

from dataclasses import dataclass, replace

from django.core import signing
from django.db.models import Q


class BadCursor(ValueError):
    """A cursor that this list never gave out."""


@dataclass(frozen=True)
class Page:
    rows: list
    next: str | None  # the cursor of the page after this one
    query: str | None = (
        None  # its query string, with the filters of this page; for pages of a browser
    )


def page(queryset, *, by, after="", size=50) -> Page:
    """Cut the page of at most `size` rows that follows the cursor `after` ("" is the first page).

    `by` names the field that orders the list, with a minus in front for newest first; the primary key
    breaks ties, so a list needs an index on both in that order. Raises BadCursor.
    """
    field = queryset.model._meta.get_field(by.lstrip("-"))
    down = by.startswith("-")
    salt = f"portal.paging.{field}"
    if after:
        value, pk = _read(after, salt)
        near, beyond = ("lte", "lt") if down else ("gte", "gt")
        # Not one OR alone: this form lets the database walk the index straight to the row.
        queryset = queryset.filter(**{f"{field.name}__{near}": value}).filter(
            Q(**{f"{field.name}__{beyond}": value}) | Q(**{f"pk__{beyond}": pk})
        )
    rows = list(queryset.order_by(by, "-pk" if down else "pk")[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    return Page(
        rows,
        signing.dumps([field.value_to_string(rows[-1]), rows[-1].pk], salt=salt) if more else None,
    )


def page_of(request, queryset, *, by, size=50) -> Page:
    """The page that the `after` of a browser's address asks for; a broken address shows the first one."""
    try:
        found = page(queryset, by=by, after=request.GET.get("after", ""), size=size)
    except BadCursor:
        found = page(queryset, by=by, size=size)
    if not found.next:
        return found
    query = request.GET.copy()
    query["after"] = found.next
    return replace(found, query=query.urlencode())


def query_of(request):
    """The query string of a list, its filters, without the place in it."""
    query = request.GET.copy()
    query.pop("after", None)
    return query.urlencode()


def _read(cursor, salt):
    """The signature keeps out whatever the database could stumble over."""
    try:
        return signing.loads(cursor, salt=salt)
    except signing.BadSignature:
        raise BadCursor(cursor) from None
