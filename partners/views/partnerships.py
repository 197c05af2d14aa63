"""Partnerships: with whom, for which organisations, and who comes in (R32, R36)."""

from functools import partial

from django.contrib import messages
from django.db.models import Prefetch, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import environment_page, without_nul
from accounts.events.models import Event
from accounts.forms import SearchForm
from accounts.models import Membership, User
from accounts.ripples import ask_first, rehearse, shown
from accounts.roles import Permission
from partners import services
from partners.forms import UUID, AssignForm, ColleaguesForm, ConsentForm
from partners.models import Mandate, Partnership, connections_made
from portal.htmx import render_part
from portal.paging import page_of

EVENTS_SHOWN = 20


@environment_page(Permission.MANAGE_KEYS)
@require_safe
def partners(request):
    filters = SearchForm(request.GET)
    environment = request.user.environment
    found = filters.narrow(Partnership.objects.of(environment))
    rows = Partnership.objects.select_related("accountant", "client").in_bulk
    page = page_of(request, found, by="-started_at", rows=rows)
    for row in page.rows:
        row.partner = row.other(environment)
        row.is_client = row.client_id != environment.pk
    context = {"filters": filters, "page": page}
    return render_part(request, "partners/partners.html", "partners/_partners.html", context)


@environment_page(Permission.MANAGE_KEYS)
@require_safe
def partnership(request, partnership):
    return _page(request, _partnership(request, partnership))


@environment_page(Permission.MANAGE_PARTNERS)
@require_POST
def functions(request, partnership, organisation_id):
    """The client changes what the accountant may do for one organisation."""
    found, mandate = _mandate(request, partnership, organisation_id)
    form = ConsentForm(request.POST, functions=mandate.known_functions)
    if not form.is_valid():
        return _page(request, found, status=422)
    change = partial(
        services.change_functions,
        mandate=mandate,
        functions=form.cleaned_data["functions"],
        by=request.user,
    )
    try:
        question = ask_first(
            request,
            change,
            about=mandate,
            title=_("Allow %(name)s less?") % {"name": mandate.accountant},
            button=_("Save"),
            back=found.get_absolute_url(),
        )
    except services.Refused as refused:
        return _page(request, found, status=409, refused=refused)
    if question:
        return question
    messages.success(request, _("The change holds from the next call on."))
    return redirect(found)


@environment_page(Permission.MANAGE_PARTNERS)
@require_http_methods(["GET", "HEAD", "POST"])
def remove_person(request, partnership, organisation_id, person):
    """The client takes one person of the accountant out: first what stops, then the end."""
    found, mandate = _mandate(request, partnership, organisation_id)
    inside = User.objects.filter(memberships__organisation=mandate.organisation)
    user = get_object_or_404(inside, pk=person, environment=mandate.accountant_id)
    change = partial(services.remove_person, mandate=mandate, user=user, by=request.user)
    try:
        if request.method != "POST":
            context = {"partnership": found, "mandate": mandate, "person": user}
            context |= shown(rehearse(change, about=user))
            return render(request, "partners/remove_person.html", context)
        question = ask_first(
            request,
            change,
            about=user,
            title=_("Remove %(name)s?") % {"name": user},
            button=_("Remove"),
            back=found.get_absolute_url(),
        )
    except services.Refused as refused:
        return _page(request, found, status=409, refused=refused)
    if question:
        return question
    text = _("%(organisation)s can no longer be entered by %(person)s.")
    messages.success(request, text % {"person": user, "organisation": mandate.organisation})
    return redirect(found)


@environment_page(Permission.MANAGE_PARTNERS)
@require_POST
def readmit_person(request, partnership, organisation_id, person):
    """The client lets in again whom it removed."""
    found, mandate = _mandate(request, partnership, organisation_id)
    user = get_object_or_404(mandate.kept_out, pk=person)
    try:
        services.readmit_person(mandate=mandate, user=user, by=request.user)
    except services.Refused as refused:
        return _page(request, found, status=409, refused=refused)
    text = _("%(organisation)s can be entered by %(person)s again.")
    messages.success(request, text % {"person": user, "organisation": mandate.organisation})
    return redirect(found)


@environment_page(Permission.MANAGE_PARTNERS)
@require_POST
def colleagues(request, mandate):
    """The accountant says which colleagues may enter a client's organisation."""
    mandates = Mandate.objects.active().seen_by(request.user).select_related("partnership")
    mandate = get_object_or_404(mandates, uuid=mandate)
    form = ColleaguesForm(request.POST, environment=request.user.environment)
    if form.is_valid():
        users = form.cleaned_data["users"]
        try:
            question = ask_first(
                request,
                partial(services.assign, mandate=mandate, users=users, by=request.user),
                about=mandate,
                title=_("Change the colleagues of %(name)s?") % {"name": mandate},
                button=_("Save colleagues"),
                back=mandate.get_absolute_url(),
            )
            if question:
                return question
            messages.success(
                request, _("The colleagues of %(name)s are changed.") % {"name": mandate}
            )
        except services.Refused as refused:
            messages.warning(request, str(refused))
    else:
        messages.warning(request, _("One of them is no colleague any more. Look again."))
    return redirect(mandate)


@environment_page(Permission.MANAGE_PARTNERS)
@require_POST
def assign_many(request):
    """Several clients, as ticked in the portfolio, for one colleague."""
    form = AssignForm(request.POST, environment=request.user.environment)
    uuids = [value for value in request.POST.getlist("client") if UUID.fullmatch(value)]
    mandates = Mandate.objects.active().seen_by(request.user).filter(uuid__in=uuids)
    if not form.is_valid() or not mandates.exists():
        messages.warning(
            request, _("Tick clients that have accepted, choose a colleague, then assign.")
        )
        return redirect("connections:clients")
    user = form.cleaned_data["user"]
    new = services.assign_to_many(mandates=mandates, user=user, by=request.user)
    text = ngettext(
        "%(name)s can enter %(count)s more client.",
        "%(name)s can enter %(count)s more clients.",
        new,
    )
    messages.success(request, text % {"name": user, "count": new})
    return redirect("connections:clients")


def _partnership(request, uuid):
    found = Partnership.objects.of(request.user.environment)
    return get_object_or_404(found.select_related("accountant", "client", "ended_by"), uuid=uuid)


def _mandate(request, partnership, organisation_id):
    """The client's own side of a partnership, for one of its organisations."""
    client = request.user.environment
    found = get_object_or_404(
        Partnership.objects.select_related("accountant", "client"), uuid=partnership, client=client
    )
    mandates = found.mandates.active().select_related("accountant", "organisation")
    return found, get_object_or_404(
        mandates, organisation__organisation_id=without_nul(organisation_id)
    )


def _about(partnership, mandates):
    """The condition of events about a partnership, or about who and what these mandates let in."""
    subjects = [str(partnership.uuid), *map(str, mandates.values_list("uuid", flat=True))]
    return Q(subject_kind__in=["partnership", "client"], subject_ref__in=subjects)


def _page(request, found, status=200, **context):
    user, environment = request.user, request.user.environment
    is_client = found.client_id == environment.pk
    mandates = found.mandates.select_related("organisation", "accountant").order_by("name", "pk")
    if not user.may(Permission.MANAGE_PARTNERS):
        mandates = mandates.filter(organisation__memberships__user=user)
    people = Membership.objects.filter(user__environment=found.accountant_id).select_related("user")
    contacts = User.objects.who_may(Permission.ANSWER_REQUESTS, found.other(environment))
    shown = mandates.prefetch_related(
        Prefetch("organisation__memberships", people.order_by("pk"), to_attr="partner_members"),
        Prefetch("connections", connections_made(), to_attr="made"),
        "requests",
        "kept_out",
    )
    page = page_of(request, shown, by="name", size=20)
    for mandate in page.rows:
        members = mandate.organisation.partner_members
        mandate.is_open_to_me = any(member.user_id == user.pk for member in members)
    context = {
        "partnership": found,
        "partner": found.other(environment),
        "is_client": is_client,
        "page": page,
        "may_manage": user.may(Permission.MANAGE_PARTNERS),
        "contacts": contacts[:5] if found.is_active else [],
        "events": Event.objects.of(environment)
        .filter(_about(found, mandates))
        .newest_first()[:EVENTS_SHOWN],
        **context,
    }
    return render_part(
        request, "partners/partnership.html", "partners/_mandates.html", context, status=status
    )
