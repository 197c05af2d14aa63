"""The accountant's portfolio: clients and packages, each pair with one word for how it is (R35)."""

from datetime import timedelta

from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    TextChoices,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connections.models import App, CallCount, Connection, FurtherOrganisation, KeySet, Kind
from partners.models import AuthorisationRequest, Mandate, MandateApp

SILENT_AFTER = timedelta(days=14)
COLUMNS = 5


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
    now = timezone.now()
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
        Q(autopilot__failing_since=None) | Q(autopilot__failing_since__gte=now - SILENT_AFTER),
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
    pending = Q(request__status=AuthorisationRequest.Status.PENDING, request__expires_at__gt=now)

    def has_keys(**which):
        return Q(Exists(own_keys.filter(**which))) | Q(Exists(shared_keys.filter(**which)))

    connected = let_in & (Q(Exists(live)) | Q(Exists(shared)))
    client_blocked = Q(mandate__organisation__environment__blocked_at__isnull=False)
    sides_blocked = Exists(live.of_blocked_sides()) | Exists(shared.of_blocked_sides())
    word = Case(
        When(let_in & client_blocked, then=Value(Word.BLOCKED)),
        When(
            connected & ~Exists(live.standing()) & ~Exists(shared.standing()),
            then=Case(When(sides_blocked, then=Value(Word.BLOCKED)), default=Value(Word.SUSPENDED)),
        ),
        When(
            connected
            & (
                has_keys(connection__paused_at__isnull=False)
                | Exists(pushed.filter(paused_at__isnull=False))
            ),
            then=Value(Word.PAUSED),
        ),
        When(connected & has_keys(rotated_at__isnull=False), then=Value(Word.ROTATING)),
        When(
            connected & (has_keys(last_used_at__gte=now - SILENT_AFTER) | Exists(delivers)),
            then=Value(Word.HEALTHY),
        ),
        When(
            connected
            & (
                has_keys(first_used_at=None)
                | Exists(pushed.filter(autopilot__last_delivered_at=None))
            ),
            then=Value(Word.NEVER_USED),
        ),
        When(connected, then=Value(Word.SILENT)),
        When(Exists(ended), then=Value(Word.STILL_CALLING)),
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
    if word == Word.NO_REQUEST:
        return mandates.exclude(Exists(found.exclude(word=word)))
    return mandates.filter(Exists(found.filter(word=word)))


def counts(mandates) -> list[tuple[Word, int]]:
    """How many cells of these clients are in each word that occurs, the most urgent first."""
    counted = dict(
        cells(mandate__in=mandates)
        .select_related(None)
        .order_by()
        .values_list("word")
        .annotate(number=Count("pk"))
    )
    return [(word, counted[word]) for word in Word if word in counted]


def with_cells(mandates):
    """Add to each client its cells, as `matrix`."""
    return mandates.select_related("organisation", "partnership").prefetch_related(
        Prefetch("apps", cells(), to_attr="matrix")
    )


def columns(environment) -> list[App]:
    """The packages that most clients of this accountant have, the most first: the columns of the matrix."""
    most = (
        MandateApp.objects.filter(mandate__accountant=environment)
        .values("app")
        .annotate(clients=Count("pk"))
        .order_by("-clients", "app")[:COLUMNS]
    )
    order = [row["app"] for row in most]
    apps = App.objects.select_related("logo").in_bulk(order)
    return [apps[pk] for pk in order]


def lay_out(mandates: list[Mandate], columns: list[App]) -> None:
    """Give each client `row`, its cell or None in every column, and `more`, the cells of other packages."""
    for mandate in mandates:
        of_app = {cell.app_id: cell for cell in mandate.matrix}
        for cell in mandate.matrix:
            cell.state = Word(cell.word)
        mandate.row = [of_app.pop(app.pk, None) for app in columns]
        mandate.more = list(of_app.values())
