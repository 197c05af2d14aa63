"""Where a person begins, and the connections of all organisations or of one."""

from datetime import timedelta

from django.db.models import Count, Exists, Max, OuterRef, Q, Sum
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import (
    comes_from_partner,
    environment_page,
    integrations_lines,
    organisation_page,
)
from accounts.models import Organisation, User
from accounts.roles import Permission
from connections import services
from connections.forms import FilterForm
from connections.models import CallCount, Connection
from connections.rows import PAGE, rows_of
from partners.models import Mandate
from portal.htmx import render_part
from portal.paging import count, page_of

SHOWN = 5
UNUSED_AFTER = timedelta(hours=24)
ORGANISATIONS_SHOWN = 20


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def home(request):
    """Is everything all right, and what can I do next?"""
    live = Count("connections", filter=Q(connections__revoked_at__isnull=True))
    organisations = list(
        Organisation.objects.reachable_by(request.user)
        .annotate(live=live)
        .by_name()[: ORGANISATIONS_SHOWN + 1]
    )
    context = {
        "organisations": organisations[:ORGANISATIONS_SHOWN],
        "more_organisations": len(organisations) > ORGANISATIONS_SHOWN,
        "may_manage_keys": request.user.may(Permission.MANAGE_KEYS),
        "may_add_organisations": request.user.may(Permission.MANAGE_ORGANISATIONS),
    }
    if context["may_manage_keys"]:
        within_reach = Connection.objects.listed().within_reach_of(request.user)
        context |= _state_of(within_reach, request.user)
        context["hindrances"] = _hindrances(request.user)
    else:
        context["administrators"] = User.objects.administrators_of(request.user.environment)[:SHOWN]
    return render(request, "connections/home.html", context)


@environment_page(Permission.MANAGE_KEYS)
@require_safe
def overview(request):
    return _overview(request, Connection.objects.within_reach_of(request.user))


@organisation_page(Permission.MANAGE_KEYS)
@require_safe
def overview_of(request, organisation):
    return _overview(request, Connection.objects.filter(organisation=organisation), organisation)


def _overview(request, connections, organisation=None):
    form = FilterForm(request.GET)
    found = form.applied_to(connections.listed())
    page = page_of(request, found, by="-created_at", size=PAGE)
    context = {
        "places": services.shared_with(organisation) if organisation else [],
        "page": page,
        "rows": rows_of(page.rows, request.user, get_token(request), organisation),
        "count": page.count(found),
        "form": form,
        "organisation": organisation,
        "hindrances": _hindrances(request.user, organisation),
        "may_add_apps": organisation is None or not comes_from_partner(request.user, organisation),
    }
    return render_part(request, "connections/overview.html", "connections/_rows.html", context)


def _hindrances(user, organisation=None):
    """What whoever pays lacks for keys: of this organisation, or of the own environment (R8)."""
    if organisation is None:
        return integrations_lines(user, user.environment)
    payer = services.payer_for(user, organisation)
    return integrations_lines(user, payer, organisation.environment)


# What names a connection in a row about its calls.
_NAMED = [
    f"key_set__connection__{name}"
    for name in (
        "organisation__organisation_id",
        "organisation__name",
        "number",
        "name",
        "app__name",
        "revoked_at",
        "mandate__uuid",
    )
]


def _state_of(connections, user):
    """How the connections within reach are: the numbers, and what needs attention.

    Software that still calls with keys of an ended partnership is told to both sides (R20).
    """
    refused = CallCount.objects.refused().filter(key_set__connection__in=connections)
    looked_after = Mandate.objects.seen_by(user)
    within_reach = Exists(connections.filter(pk=OuterRef("key_set__connection")))
    still = CallCount.objects.still_calling().filter(
        within_reach | Q(key_set__connection__mandate__in=looked_after)
    )
    return {
        "active": count(connections.working()),
        "never_used": count(connections.never_used()),
        "refused": refused.of_today().aggregate(calls=Sum("calls", default=0))["calls"],
        "refusing": refused.with_live_keys()
        .of_today()
        .values(*_NAMED)
        .annotate(calls=Sum("calls"), last_at=Max("last_at"))
        .order_by("-last_at")[:SHOWN],
        "stopped": connections.stopped().for_list()[:SHOWN],
        "without_keys": connections.without_keys().for_list()[:SHOWN],
        "expiring": connections.expiring().for_list().order_by("keys_end_at")[:SHOWN],
        "unused": connections.unused_for(UNUSED_AFTER).for_list().order_by("-created_at")[:SHOWN],
        "still_calling": still.annotate(within_reach=within_reach)
        .values(*_NAMED, "within_reach")
        .annotate(calls=Sum("calls"), last_at=Max("last_at"))
        .order_by("-last_at")[:SHOWN],
    }
