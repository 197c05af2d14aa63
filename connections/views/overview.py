"""Where a person begins, and the connections of all organisations or of one."""

from django.db.models import Count, Max, Q, Sum
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import environment_page, organisation_page
from accounts.models import Organisation, User
from accounts.roles import Permission
from connections.forms import FilterForm
from connections.models import CallCount, Connection
from portal.htmx import render_part
from portal.paging import page_of

SHOWN = 5
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
        context |= _state_of(Connection.objects.listed().within_reach_of(request.user))
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
    context = {
        "page": page_of(request, found.for_list(), by="-created_at"),
        "count": found.count(),
        "form": form,
        "organisation": organisation,
    }
    return render_part(request, "connections/overview.html", "connections/_rows.html", context)


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
    )
]


def _state_of(connections):
    """How the connections within reach are: the numbers, and what needs attention."""
    refused = CallCount.objects.refused().filter(key_set__connection__in=connections)
    return {
        "active": connections.working().count(),
        "never_used": connections.never_used().count(),
        "refused": refused.of_today().aggregate(calls=Sum("calls", default=0))["calls"],
        "refusing": refused.with_live_keys()
        .of_today()
        .values(*_NAMED)
        .annotate(calls=Sum("calls"), last_at=Max("last_at"))
        .order_by("-last_at")[:SHOWN],
        "suspended": connections.suspended().for_list()[:SHOWN],
        "unused": connections.never_used().for_list().order_by("-created_at")[:SHOWN],
        "still_calling": refused.still_calling()
        .values(*_NAMED)
        .annotate(calls=Sum("calls"), last_at=Max("last_at"))
        .order_by("-last_at")[:SHOWN],
    }
