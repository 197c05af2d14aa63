"""Where a person begins, and the connections of all organisations or of one."""

from django.db.models import Count, Q, Sum
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.access import environment_page, organisation_page
from accounts.models import Organisation
from accounts.roles import Permission
from connections.forms import FilterForm
from connections.models import CallCount, Connection
from portal.htmx import render_part
from portal.paging import page_of


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def home(request):
    """Is everything all right, and what can I do next?"""
    organisations = Organisation.objects.reachable_by(request.user)
    context = {"organisations": organisations.annotate(
        live=Count("connections", filter=Q(connections__revoked_at__isnull=True))
    ).by_name()[:20]}
    if request.user.may(Permission.MANAGE_KEYS):
        reach = Connection.objects.listed().within_reach_of(request.user)
        context |= {
            "active": reach.working().count(),
            "never_used": reach.never_used().count(),
            "refused": CallCount.objects.refused()
            .filter(key_set__connection__in=reach, day=timezone.localdate())
            .aggregate(calls=Sum("calls"))["calls"]
            or 0,
            "suspended": list(reach.suspended().for_list()[:5]),
            "unused": list(reach.never_used().for_list().order_by("-created_at")[:5]),
        }
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
    connections = form.applied_to(connections.listed())
    context = {
        "page": page_of(request, connections.for_list(), by="-created_at"),
        "form": form,
        "organisation": organisation,
    }
    return render_part(request, "connections/overview.html", "connections/_rows.html", context)
