"""Where a person begins, and the connections of all organisations or of one."""

from functools import partial

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.access import (
    comes_from_partner,
    environment_page,
    integrations_lines,
    organisation_page,
)
from accounts.models import GivenReader, Organisation, User
from accounts.roles import Permission
from connections import services
from connections.attention import SHOWN, state_of
from connections.forms import FilterForm
from connections.models import Connection
from connections.rows import PAGE, listed, rows_of
from portal.htmx import render_part
from portal.paging import page_of
from portal.prepared import Prepared

ORGANISATIONS_SHOWN = 20


def _organisations(many):
    live = Connection.objects.live().filter(organisation=OuterRef("pk")).order_by()
    number = live.values("organisation").annotate(number=Count("pk")).values("number")
    found = Organisation.objects.reachable_by(GivenReader(is_member_of_many=many))
    return found.annotate(live=Coalesce(Subquery(number), 0)).by_name()[: ORGANISATIONS_SHOWN + 1]


_ORGANISATIONS = {many: Prepared(partial(_organisations, many)) for many in (False, True)}


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def home(request):
    """Is everything all right, and what can I do next?"""
    user = request.user
    organisations = _ORGANISATIONS[user.is_member_of_many].rows(
        user=user.pk, environment=user.environment_id
    )
    may_manage_keys = user.may(Permission.MANAGE_KEYS)
    context = {
        "organisations": organisations[:ORGANISATIONS_SHOWN],
        "more_organisations": len(organisations) > ORGANISATIONS_SHOWN,
        "may_manage_keys": may_manage_keys,
        "may_add_organisations": user.may(Permission.MANAGE_ORGANISATIONS),
    }
    if not may_manage_keys:
        context["administrators"] = User.objects.administrators_of(user.environment)[:SHOWN]
        return render(request, "connections/home.html", context)
    # Looking at thousands of connections takes longer than the page, so it is asked for apart.
    is_alone = request.htmx.target == "state"
    if is_alone or not user.is_member_of_many or "state" in request.GET:
        context["state"] = state_of(user)
    if not is_alone:
        context["hindrances"] = _hindrances(user)
    response = render(
        request, "connections/_connected.html" if is_alone else "connections/home.html", context
    )
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


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
    page = page_of(request, found, by="-created_at", size=PAGE, rows=listed, counted=True)
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
