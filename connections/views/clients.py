"""The accountant's clients, all on one page and each on its own; the end of a partnership (R34 to R36)."""

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import environment_page, keys_checklist
from accounts.events.models import Event
from accounts.models import Membership, Organisation
from accounts.roles import Permission
from connections import portfolio, services
from connections.forms import ClientsFilterForm
from connections.models import Connection
from partners.access import request_line
from partners.forms import AssignForm, ColleaguesForm
from partners.models import Mandate, Partnership
from partners.services import to_be_reminded
from portal.htmx import render_part
from portal.paging import count, page_of
from portal.tables import csv_answer

EVENTS_SHOWN = 20
CONNECTIONS_SHOWN = 50


@environment_page(Permission.SEND_REQUESTS)
@require_safe
def clients(request):
    """Clients × packages, one word in each cell (R35)."""
    filters = ClientsFilterForm(request.GET, environment=request.user.environment)
    found = filters.narrow(Mandate.objects.seen_by(request.user))
    if request.htmx.target == "words":
        return _words(request, filters)
    rows = Mandate.objects.select_related("organisation").in_bulk
    page = page_of(request, found, by="name", size=portfolio.PAGE, rows=rows, counted=True)
    columns = filters.columns()
    has_others = filters.has_other_packages(columns)
    may_assign = request.user.may(Permission.MANAGE_PARTNERS)
    context = {
        "filters": filters,
        "page": page,
        "count": page.count(found),
        "columns": columns,
        "rows": portfolio.rows_of(page.rows, columns, has_others=has_others, may_assign=may_assign),
        "other_packages": has_others,
        "may_send": request.user.environment.may_send_requests,
        "may_assign": may_assign,
        "assign_form": AssignForm(environment=request.user.environment),
        "to_be_reminded": count(to_be_reminded(request.user)),
        # Counting all clients takes longer than the page, so it is asked for apart.
        "counts": _counts(request) if "words" in request.GET else None,
    }
    response = render_part(
        request, "connections/clients.html", "connections/_clients.html", context
    )
    patch_vary_headers(response, ["HX-Target"])
    return response


def _words(request, filters):
    """How many cells are in each word, alone."""
    context = {"counts": _counts(request), "filters": filters}
    response = render(request, "connections/_words.html", context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _counts(request):
    """Of all clients: a search does not change what needs attention."""
    return portfolio.counts(Mandate.objects.seen_by(request.user))


@environment_page(Permission.SEND_REQUESTS)
@require_safe
def clients_csv(request):
    """The same as a file: a line for each client and package that the filters find."""
    filters = ClientsFilterForm(request.GET, environment=request.user.environment)
    found = filters.narrow(Mandate.objects.seen_by(request.user))
    narrowed = {"mandate__in": found, **({"app": filters.app} if filters.app else {})}
    cells = (
        portfolio.cells(**narrowed)
        .select_related("mandate__organisation")
        .order_by("mandate__name", "mandate", "app__name")
    )
    header = [
        _("Client"),
        _("Email"),
        _("Registration number"),
        _("Organisation ID"),
        _("Software package"),
        _("Status"),
        _("Last call"),
    ]
    return csv_answer("clients.csv", header, map(_line, cells.iterator(chunk_size=500)))


@environment_page(Permission.SEND_REQUESTS)
@require_safe
def client(request, mandate):
    """One client: what is missing on the way to its keys (R3), its requests, connections and colleagues."""
    user = request.user
    mandates = Mandate.objects.seen_by(user).select_related("organisation", "partnership")
    mandate = get_object_or_404(mandates, uuid=mandate)
    organisation = _organisation(mandate, user)
    checklist = keys_checklist(user, request_line=request_line(mandate), organisation=organisation)
    may_enter = all(line.ok for line in checklist) and organisation is not None
    members = Membership.objects.filter(
        organisation=mandate.organisation, user__environment=user.environment
    )
    context = {
        "client": mandate,
        "organisation": organisation,
        "checklist": checklist,
        "may_enter": may_enter,
        "packages": [
            cell for cell in portfolio.cells_of(mandate) if not (may_enter and cell.number)
        ],
        "connections": Connection.objects.listed()
        .filter(organisation=organisation)
        .for_list()
        .order_by("-pk")[:CONNECTIONS_SHOWN]
        if may_enter
        else [],
        "requests": mandate.requests.seen_by(user).for_list().order_by("-pk")[:EVENTS_SHOWN],
        "members": members.select_related("user").order_by("user__last_name", "pk"),
        "colleagues_form": ColleaguesForm(
            environment=user.environment,
            initial={"users": members.values_list("user", flat=True)},
        ),
        "may_assign": user.may(Permission.MANAGE_PARTNERS),
        "may_send": user.environment.may_send_requests,
        "events": Event.objects.of(user.environment)
        .filter(_about(mandate, may_enter or user.may(Permission.MANAGE_PARTNERS)))
        .newest_first()[:EVENTS_SHOWN],
    }
    return render(request, "connections/client.html", context)


@environment_page(Permission.MANAGE_PARTNERS)
@require_http_methods(["GET", "HEAD", "POST"])
def end_partnership(request, partnership):
    """End partnership: what stops, what stays, then the end, for both sides at once (R34)."""
    environment = request.user.environment
    found = get_object_or_404(
        Partnership.objects.of(environment).select_related("accountant", "client", "ended_by"),
        uuid=partnership,
    )
    if request.method == "POST":
        try:
            services.end_partnership(partnership=found, by=request.user)
        except services.PartnershipEnded as ended:
            messages.warning(request, str(ended))
        else:
            messages.success(
                request,
                _(
                    "The partnership with %(partner)s has ended, and every connection made through it."
                )
                % {"partner": found.other(environment)},
            )
        return redirect(found)
    connections = Connection.objects.live().filter(mandate__partnership=found).for_list()
    context = {
        "partnership": found,
        "partner": found.other(environment),
        "is_client": found.client_id == environment.pk,
        "connections": connections[:CONNECTIONS_SHOWN],
        "count": connections.count(),
        "clients": found.mandates.active().order_by("name", "pk")[:CONNECTIONS_SHOWN],
    }
    return render(request, "connections/end_partnership.html", context)


def _about(mandate, may_look_inside):
    """The condition of events about a client: itself, its requests, and what was done in its organisation."""
    subjects = [str(mandate.uuid), *map(str, mandate.requests.values_list("uuid", flat=True))]
    about = Q(subject_kind__in=["client", "request"], subject_ref__in=subjects)
    if mandate.organisation_id and may_look_inside:
        about |= Q(organisation=mandate.organisation_id)
    return about


def _organisation(mandate, user):
    """The client's organisation, once it has let the accountant in."""
    if not mandate.is_active:
        return None
    own = Membership.objects.filter(organisation=OuterRef("pk"), user=user)
    organisations = Organisation.objects.select_related("environment").annotate(
        is_member=Exists(own)
    )
    return organisations.get(pk=mandate.organisation_id)


def _line(cell):
    mandate = cell.mandate
    return [
        mandate.name,
        mandate.email,
        mandate.registration_number,
        mandate.organisation.organisation_id if mandate.is_active else "",
        cell.app.name,
        portfolio.Word(cell.word).label,
        format_date(timezone.localtime(cell.last_used_at), "Y-m-d H:i")
        if cell.last_used_at
        else "",
    ]
