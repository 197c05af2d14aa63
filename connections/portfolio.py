"""The accountant's portfolio: clients and packages, each pair with one word for how it is (R35)."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    OuterRef,
    Q,
    Subquery,
    TextChoices,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from connections.models import App, CallCount, Connection, FurtherOrganisation, KeySet, Kind
from partners.models import AuthorisationRequest, Mandate, MandateApp
from portal.paging import COUNTED, Number, each_has
from portal.prepared import Now, Prepared, given_list
from portal.rows import Row, fill

SILENT_AFTER = timedelta(days=14)
COLUMNS = 5
PAGE = 50  # clients


class Word(TextChoices):
    """How a client and a package stand with each other; the most urgent to look at come first."""

    STILL_CALLING = "still_calling", _("Revoked but still calling")
    BLOCKED = "blocked", _("Blocked by support")
    SUSPENDED = "suspended", _("Suspended")
    SILENT = "silent", _("Silent for 14 days")
    PAUSED = "paused", _("Paused")
    ROTATING = "rotating", _("Rotating")
    NEVER_USED = "never_used", _("Never used")
    WITHOUT_KEYS = "without_keys", _("Active without keys")
    DECLINED = "declined", _("Declined")
    PENDING = "pending", _("Pending")
    HEALTHY = "healthy", _("Healthy")
    NO_REQUEST = "no_request", _("No request")


def cells(**narrowed):
    """The pairs of client and package, each with its `word`, the `number` of its connection and the time of
    its last call."""
    live = Connection.objects.live().filter(
        organisation=OuterRef("mandate__organisation"), app=OuterRef("app")
    )
    shared = FurtherOrganisation.objects.live().filter(
        organisation=OuterRef("mandate__organisation"), connection__app=OuterRef("app")
    )
    own_keys = KeySet.objects.live().filter(
        connection__organisation=OuterRef("mandate__organisation"), connection__app=OuterRef("app")
    )
    shared_keys = KeySet.objects.live().filter(
        connection__further__organisation=OuterRef("mandate__organisation"),
        connection__app=OuterRef("app"),
    )
    ended = CallCount.objects.still_calling().filter(
        key_set__connection__mandate=OuterRef("mandate"),
        key_set__connection__app=OuterRef("app"),
        key_set__connection__revoked_at__isnull=False,
    )
    pushed = live.filter(kind=Kind.AUTOPILOT)
    delivers = pushed.filter(
        Q(autopilot__failing_since=None) | Q(autopilot__failing_since__gte=Now(-SILENT_AFTER)),
        autopilot__last_delivered_at__isnull=False,
    )
    last_used = Coalesce(
        *(
            Subquery(key_sets.order_by("-pk").values("last_used_at")[:1])
            for key_sets in (own_keys, shared_keys)
        ),
        Subquery(pushed.order_by("-pk").values("autopilot__last_delivered_at")[:1]),
    )
    let_in = Q(mandate__given_at__isnull=False, mandate__ended_at__isnull=True)
    pending = Q(request__status=AuthorisationRequest.Status.PENDING, request__expires_at__gt=Now())

    def has_keys(**which):
        return each_has(own_keys.filter(**which)) | each_has(shared_keys.filter(**which))

    connected = let_in & (each_has(live) | each_has(shared))
    client_blocked = Q(mandate__organisation__in=Organisation.objects.of_blocked_environments())
    sides_blocked = each_has(live.of_blocked_sides()) | each_has(shared.of_blocked_sides())
    word = Case(
        When(let_in & client_blocked, then=Value(Word.BLOCKED)),
        When(
            connected & ~each_has(live.standing()) & ~each_has(shared.standing()),
            then=Case(When(sides_blocked, then=Value(Word.BLOCKED)), default=Value(Word.SUSPENDED)),
        ),
        When(
            connected
            & (
                has_keys(connection__paused_at__isnull=False)
                | each_has(pushed.filter(paused_at__isnull=False))
            ),
            then=Value(Word.PAUSED),
        ),
        When(connected & has_keys(rotated_at__isnull=False), then=Value(Word.ROTATING)),
        When(
            connected & (has_keys(last_used_at__gte=Now(-SILENT_AFTER)) | each_has(delivers)),
            then=Value(Word.HEALTHY),
        ),
        When(
            connected
            & (
                has_keys(first_used_at=None)
                | each_has(pushed.filter(autopilot__last_delivered_at=None))
            ),
            then=Value(Word.NEVER_USED),
        ),
        When(connected, then=Value(Word.SILENT)),
        When(each_has(ended), then=Value(Word.STILL_CALLING)),
        When(pending, then=Value(Word.PENDING)),
        When(
            request__status=AuthorisationRequest.Status.DECLINED,
            then=Value(Word.DECLINED),
        ),
        When(let_in, then=Value(Word.WITHOUT_KEYS)),
        default=Value(Word.NO_REQUEST),
        output_field=CharField(),
    )
    return (
        MandateApp.objects.filter(**narrowed)
        .annotate(
            word=word,
            # Of nobody else's business once the client has ended it.
            number=Case(When(let_in, then=Subquery(live.order_by("-pk").values("number")[:1]))),
            last_used_at=Case(When(let_in, then=last_used)),
        )
        .select_related("app__logo", "request")
    )


def in_word(mandates, word, app=None):
    """Of `mandates`, those with a cell (of `app`) in this word; without any other word for No request."""
    found = cells(mandate=OuterRef("pk"), **({"app": app} if app else {}))
    searched = found.exclude(word=word) if word == Word.NO_REQUEST else found.filter(word=word)
    has_it = each_has(searched)
    return mandates.filter(~has_it if word == Word.NO_REQUEST else has_it)


def counts(mandates) -> list[tuple[Word, Number]]:
    """How many cells of these clients are in each word that occurs, the most urgent first.

    Of very many clients the oldest are looked at: there are at least so many cells.
    """
    first = list(_first(mandates))
    is_all = len(first) <= COUNTED
    counted = dict(
        cells(mandate__in=first[:COUNTED])
        .select_related(None)
        .order_by()
        .values_list("word")
        .annotate(number=Count("pk"))
    )
    return [(word, Number(counted[word], is_all=is_all)) for word in Word if word in counted]


def _first(mandates):
    """The keys of the oldest of these clients, one more than are counted."""
    return mandates.order_by("pk").values_list("pk", flat=True)[: COUNTED + 1]


def cells_of(mandate) -> list[MandateApp]:
    """The cells of one client, for its page, each with `state` and where it leads to."""
    found = list(cells(mandate=mandate))
    for cell in found:
        cell.state = Word(cell.word)
        has_connection = cell.number is not None and mandate.is_active
        cell.leads_to = "connection" if has_connection else "request" if cell.request_id else ""
    return found


def packages_of(environment):
    """The packages of all clients of this accountant."""
    asked = AuthorisationRequest.objects.filter(accountant=environment, app=OuterRef("pk"))
    others = MandateApp.objects.filter(
        mandate__accountant=environment, app=OuterRef("pk"), request=None
    )
    # Each by itself: with OR between them PostgreSQL reads the requests of everybody, and more than once.
    found = {
        pk
        for them in (asked, others)
        for pk in App.objects.filter(Exists(them)).values_list("pk", flat=True)
    }
    return App.objects.filter(pk__in=found).by_name()


def columns(environment) -> list[App]:
    """The packages that most clients of this accountant have, the most first: the columns of the matrix."""
    most = (
        MandateApp.objects.filter(mandate__in=_first(environment.mandates)[:COUNTED])
        .values("app")
        .annotate(clients=Count("pk"))
        .order_by("-clients", "app")[:COLUMNS]
    )
    order = [row["app"] for row in most]
    apps = App.objects.select_related("logo").in_bulk(order)
    return [apps[pk] for pk in order]


@dataclass(frozen=True, slots=True)
class Cell:
    """A pair of client and package as the matrix says it."""

    app_pk: int
    app: str
    word: str
    number: int | None


# Not in order: PostgreSQL would think little of reading all cells of everybody beside what their words cost.
_OF_CLIENTS = Prepared(
    lambda: (
        cells(mandate__pk__in=given_list("mandates", PAGE))
        .order_by()
        .values_list("mandate", "app", "app__name", "word", "number")
    )
)


def matrix(mandates: list[Mandate]) -> dict[int, list[Cell]]:
    """The cells of each of these clients, of at most a page of them, by package. One query."""
    found = {mandate.pk: [] for mandate in mandates}
    for mandate, *cell in _OF_CLIENTS.rows(mandates=list(found)) if found else ():
        found[mandate].append(Cell(*cell))
    return {
        mandate: sorted(cells, key=lambda cell: cell.app.casefold())
        for mandate, cells in found.items()
    }


def rows_of(mandates: list[Mandate], columns: list[App], *, has_others, may_assign) -> list[Row]:
    """The rows of the matrix: of each client its cell in every column, and those of other packages."""
    found, rows = matrix(mandates), []
    for client in mandates:
        of_app = {cell.app_pk: cell for cell in found[client.pk]}
        in_columns = [_cell_row(client, of_app.pop(app.pk, None)) for app in columns]
        others = [_cell_row(client, cell) for cell in of_app.values()] if has_others else []
        kind = {
            "may_assign": may_assign,
            "is_active": client.is_active,
            "has_others": has_others,
        }
        texts = {
            "client": client.name,
            "uuid": client.uuid,
            "registration_number": client.registration_number,
            "cells": fill("connections/_client_cell.html", in_columns),
            "others": fill("connections/_client_other.html", others),
        }
        rows.append(Row(kind, texts))
    return rows


def _cell_row(client, cell):
    """What a cell says, and that there is none."""
    if cell is None:
        return Row({"state": None}, {})
    leads_to_connection = cell.number is not None and client.is_active
    kind = {
        "state": Word(cell.word),
        "leads_to": "connection" if leads_to_connection else "client",
    }
    texts = {"app": cell.app, "client": client.name, "uuid": client.uuid}
    if leads_to_connection:
        texts |= {"organisation_id": client.organisation.organisation_id, "number": cell.number}
    return Row(kind, texts)
