"""One connection: how it is, its keys, its accesses, testing, revoking and deleting it."""

from datetime import timedelta

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q, Sum
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import organisation_page, recent_login_required
from accounts.events.models import Action, Event
from accounts.models import Organisation
from accounts.roles import Permission
from connections import services
from connections.errors import SCOPE_MISSING
from connections.forms import EditAccessForm, NewKeysForm, RotateForm, TakeOverForm
from connections.history import with_since
from connections.models import (
    CallCount,
    Connection,
    FurtherOrganisation,
    catalogue,
    function_named,
)
from connections.views.create import already_created_page, keys_page

CHART_DAYS = 30


@organisation_page(Permission.MANAGE_KEYS)
@require_safe
def detail(request, organisation, number):
    connection = connection_of(organisation, number)
    if request.htmx.target == "state":  # the page waits for the first call (R21)
        return HttpResponse(
            status=204, headers={} if _awaits_a_call(connection) else {"HX-Refresh": "true"}
        )
    calls = CallCount.objects.of(connection)
    days, refusals = _days(calls), refusals_of(connection, calls)
    may_manage = connection.is_managed_by(request.user)
    key_sets = list(
        connection.key_sets.select_related("created_by", "retired_by").order_by("-version")[:10]
    )
    current = next((it for it in key_sets if it.is_current), None)
    older = next((it for it in key_sets if it.is_retiring), None)
    context = {
        "connection": connection,
        "current": current,
        "older": older,
        "awaited": _awaits_a_call(connection),
        "safe_from": older and older.safe_from(current),
        "safe_to_end": older and older.is_silent_beside(current),
        "places": places_seen(connection, request.user),
        "last_call": calls.filter(code="").order_by("-last_at").first(),
        "still_calling": calls.still_calling().aggregate(
            calls=Sum("calls", default=0), last_at=Max("last_at")
        ),
        "marks": with_since(connection, connection.rights.marks(catalogue().values())),
        "waiting": connection.offers.ready()
        .filter(invoice__receiver=connection.organisation)
        .count(),
        "key_sets": key_sets,
        "days": days,
        "has_calls": any(day["accepted"] or day["refused"] for day in days),
        "may_manage": may_manage,
        "may_add": may_manage and request.user == connection.owner and connection.stands,
        "may_take_over": may_manage and request.user.may(Permission.TAKE_OVER),
        "take_over": connection.url("take-over"),
        "new_keys": connection.url("new-keys"),
        "refusals": refusals,
        "trouble": next(filter(is_trouble, refusals), None),
        "events": Event.objects.of(request.user.environment)
        .about("connection", connection.uuid)
        .exclude(action=Action.SUPPORT_LOOKED)
        .select_related("actor")
        .newest_first()[:20],
    }
    page = "autopilot/detail.html" if connection.is_autopilot else "connections/detail.html"
    return render(request, page, context)


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("pair")
def new_keys(request, organisation, number):
    """Create new keys: the answer to the POST shows them once, and the old ones are dead (R16)."""
    connection = managed(request, organisation, number)
    form = NewKeysForm(request.POST or None)
    return _another_set(
        request, connection, services.create_new_keys, "connections/new_keys.html", form
    )


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("pair")
def rotate(request, organisation, number):
    """Rotate: the answer to the POST shows new keys once, and the old ones live on for a while (R17)."""
    connection = managed(request, organisation, number)
    if connection.older_end_at and _awaits_a_call(connection):
        service, form, page = services.replace_new_keys, NewKeysForm, "replace_keys"
    else:
        service, form, page = services.rotate, RotateForm, "rotate"
    form = form(request.POST or None)
    return _another_set(request, connection, service, f"connections/{page}.html", form)


@organisation_page(Permission.TAKE_OVER)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("pair")
def take_over(request, organisation, number):
    """Have a connection live on somebody else, oneself for instance, with new keys (R7)."""
    connection = managed(request, organisation, number)
    form = TakeOverForm(
        request.POST or None,
        candidates=services.who_could_own(connection, request.user),
        owner=connection.owner,
        initial={"owner": request.user.pk},
    )
    return _another_set(request, connection, services.take_over, "connections/take_over.html", form)


@sensitive_variables("pair")
def _another_set(request, connection, service, page, form):
    """The question, and after it the page with the keys."""
    if request.method == "POST" and form.is_valid():
        try:
            pair = service(connection=connection, by=request.user, **form.cleaned_data)
            if pair is None:  # Autopilot has no keys
                messages.success(request, _("The connection has another owner now."))
                return redirect(connection)
            return keys_page(request, connection, pair, new=False)
        except services.AlreadyCreated as already:
            return already_created_page(request, already, connection.organisation)
        except services.NotPlanned as refused:
            form.add_error("reason", str(refused))
        except services.Refused as refused:
            messages.warning(request, str(refused))
            return redirect(connection)
    status = 422 if form.is_bound else 200
    return render(request, page, {"connection": connection, "form": form}, status=status)


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
def accesses(request, organisation, number):
    """Edit details of the connection: what its key is given (R26)."""
    connection = managed(request, organisation, number)
    form = _access_form(request.POST or None, request.user, connection)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            services.change_accesses(connection=connection, by=request.user, **form.cleaned_data)
        except services.ChangedMeanwhile as refused:
            refusal, connection = refused, connection_of(organisation, number)
            form = _access_form(None, request.user, connection)
        except services.Refused as refused:
            refusal = refused
        else:
            messages.success(
                request, _("The accesses are changed. They hold from the next call on.")
            )
            return redirect(connection)
    context = {"connection": connection, "form": form, "refusal": refusal}
    status = 409 if refusal else 422 if form.is_bound else 200
    return render(request, "connections/accesses.html", context, status=status)


def _access_form(data, user, connection):
    return EditAccessForm(
        data,
        app=connection.app,
        owner_accesses=services.accesses_of(connection.owner, connection.organisation),
        client_allows=connection.mandate.functions if connection.mandate else None,
        own_accesses=services.accesses_of(user, connection.organisation),
        given=connection.functions,
        initial={
            "access": connection.access,
            "functions": connection.functions,
            "seen": services.accesses_seen(connection),
        },
    )


@organisation_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request, organisation, number):
    """Revoke connection: what stops, what stays, and the reminder (R18)."""
    connection = managed(request, organisation, number)
    if request.method == "POST":
        try:
            services.revoke(connection=connection, by=request.user)
        except services.Refused as refused:
            messages.warning(request, str(refused))
        else:
            messages.success(
                request,
                _(
                    "The connection is revoked. Revoke it in %(app)s too, or the software keeps calling."
                )
                % {"app": connection.app.name},
            )
        return redirect(connection)
    return render(request, "connections/revoke.html", {"connection": connection})


@organisation_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request, organisation, number):
    """Delete connection: only a revoked one (R19)."""
    connection = managed(request, organisation, number)
    if request.method == "POST":
        try:
            services.delete(connection=connection, by=request.user)
        except services.Refused as refused:
            messages.warning(request, str(refused))
            return redirect(connection)
        messages.success(
            request, _("The connection is deleted. Its history stays in the activity log.")
        )
        return redirect("connections:overview-of", organisation=organisation.organisation_id)
    return render(request, "connections/delete.html", {"connection": connection})


def connection_of(organisation, number):
    """The connection with this number in `organisation`; a deleted one is 404."""
    connection = (
        Connection.objects.listed()
        .for_list()
        .filter(organisation=organisation, number=number)
        .first()
    )
    if connection is None:
        raise Http404
    return connection


def managed(request, organisation, number):
    """The same, for people who may change it: 403 with the reason for others."""
    connection = connection_of(organisation, number)
    if not connection.is_managed_by(request.user):
        raise PermissionDenied(services.NotYours(connection))
    return connection


def _awaits_a_call(connection):
    """Whether nobody has used the newest keys of a connection that runs (R21)."""
    if connection.status == connection.Status.ROTATING:
        return connection.key_sets.current().filter(first_used_at__isnull=True).exists()
    return connection.status == connection.Status.NEVER_USED


def places_seen(connection, user):
    """The further organisations of a connection, each with whether `user` sees which one it is (R4)."""
    if not connection.is_shared:
        return []
    answers_for_it = user == connection.owner or (
        user.is_administrator and user.environment_id == connection.made_by.pk
    )
    reachable = set(Organisation.objects.reachable_by(user).values_list("pk", flat=True))
    places = list(FurtherOrganisation.objects.of(connection).for_list())
    for place in places:
        place.is_seen = answers_for_it or place.organisation_id in reachable
    return places


def _days(calls):
    """Calls let in and calls refused on each of the last 30 days, the oldest first."""
    counted = {
        row["day"]: row
        for row in calls.of_last_days(CHART_DAYS)
        .values("day")
        .annotate(
            accepted=Sum("calls", filter=Q(code=""), default=0),
            refused=Sum("calls", filter=~Q(code=""), default=0),
        )
    }
    today = timezone.localdate()
    days = [today - timedelta(days=ago) for ago in reversed(range(CHART_DAYS))]
    nothing = {"accepted": 0, "refused": 0}
    return [{**counted.get(day, nothing), "date": day} for day in days]


def refusals_of(connection, calls):
    """Why calls were refused lately, each reason once, with how often and when last.

    `mark` says how a missing access is now; `mended`, that a later call of that function was let in. What
    was wrong with one document is not mended by another one.
    """
    newest_first = (
        calls.refused().of_last_days(CHART_DAYS).select_related("key_set").order_by("-last_at")
    )
    reasons = {}
    for count in newest_first:
        reason = reasons.setdefault((count.key_set_id, count.function, count.code), count)
        if reason is not count:
            reason.calls += count.calls
    refusals = list(reasons.values())[:10]
    accepted = dict(calls.filter(code="").values_list("function").annotate(Max("last_at")))
    for refusal in refusals:
        missing = refusal.code == SCOPE_MISSING.code and function_named(refusal.function)
        refusal.mark = connection.rights.mark(missing) if missing else None
        let_in_later = refusal.last_at < accepted.get(refusal.function, refusal.last_at)
        refusal.mended = let_in_later and not refusal.is_about_one_document
    return refusals


def is_trouble(refusal):
    """Whether a refusal of today, with keys in use, still waits to be mended."""
    mended = refusal.mended or (refusal.mark and refusal.mark.allowed)
    return refusal.day == timezone.localdate() and not refusal.key_set.retired_at and not mended
