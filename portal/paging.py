"""Pages of lists by key, never by offset: the last page of a long list costs what the first one costs."""

from dataclasses import dataclass, replace

from django.core import signing
from django.db.models import Q, Subquery
from django.db.models.lookups import IsNull


class BadCursor(ValueError):
    """A cursor that this list never gave out."""


COUNTED = 1000  # rows of a list, at most


@dataclass(frozen=True)
class Page:
    rows: list
    next: str | None  # the cursor of the page after this one
    query: str | None = (
        None  # its query string, with the filters of this page; for pages of a browser
    )
    counted: int | None = None  # rows of the whole list, at most one more than are counted

    def count(self, queryset):
        """How many rows the whole list has, which `queryset` finds."""
        return count(queryset) if self.counted is None else number(self.counted)


class Number(int):
    """How many rows there are, or that there are more: `1000+`."""

    def __new__(cls, counted, *, is_all=True):
        number = super().__new__(cls, counted)
        number.is_all = is_all
        return number

    def __str__(self):
        return f"{int(self)}" if self.is_all else f"{int(self)}+"


def count(queryset) -> Number:
    """How many rows there are; of many nobody wants to know more than that they are many."""
    return number(queryset[: COUNTED + 1].count())


def number(counted) -> Number:
    """The same of what was counted up to one more than that."""
    return Number(min(counted, COUNTED), is_all=counted <= COUNTED)


def each_has(found) -> Q:
    """Of each row by itself, whether `found`, a queryset with an OuterRef, finds something.

    For lists that show what they come across first. With Exists PostgreSQL may look for the answers of all
    rows that there are, of everybody, before it shows one.
    """
    return Q(IsNull(Subquery(found.order_by().values("pk")[:1]), False))


def page(queryset, *, by, after="", size=50, rows=None, counted=False) -> Page:
    """Cut the page of at most `size` rows that follows the cursor `after` ("" is the first page).

    `by` names the field that orders the list, with a minus in front for newest first; the primary key
    breaks ties, so a list needs an index on both in that order. `rows` answers what a row says, by its
    primary key, as the `in_bulk` of a queryset: `queryset` then only finds the rows, and nothing is looked
    up for those that it has to sort. With it the first page of a list can be `counted` on the way. Raises
    BadCursor.
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
    order = (by, "-pk" if down else "pk")
    queryset = queryset.order_by(*order)
    if rows is None:
        found = list(queryset[: size + 1])
    else:
        most = COUNTED if counted and not after else size
        found = list(queryset.values_list("pk", flat=True)[: most + 1])
    seen, more, found = len(found), len(found) > size, found[:size]
    if rows is not None:
        by_pk = rows(found) if found else {}
        found = [by_pk[pk] for pk in found if pk in by_pk]
    last = (
        signing.dumps([field.value_to_string(found[-1]), found[-1].pk], salt=salt)
        if more and found
        else None
    )
    return Page(found, last, counted=None if after or (more and not counted) else seen)


def page_of(request, queryset, *, by, **how) -> Page:
    """The page that the `after` of a browser's address asks for; a broken address shows the first one."""
    try:
        found = page(queryset, by=by, after=request.GET.get("after", ""), **how)
    except BadCursor:
        found = page(queryset, by=by, **how)
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
