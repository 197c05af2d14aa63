"""The client's side of authorisation requests: the mailed link, the consent, the answer (R31, R32)."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import environment_page, public_page
from accounts.models import Organisation
from accounts.roles import Permission
from accounts.services import RegistrationNumberInUse
from accounts.services import add_organisation as add_new_organisation
from partners import services
from partners.forms import ConsentForm, NewOrganisationForm, RequestsFilterForm
from partners.models import ActivationLink, AuthorisationRequest, Partnership
from portal.htmx import render_part
from portal.paging import page_of


@public_page
@require_safe
def activation(request, token):
    """The other end of an activation link. It has no power: it only says where to go on (R31)."""
    links = ActivationLink.objects.of_token(token).select_related(
        "request__accountant", "request__app", "request__mandate"
    )
    link = links.first()
    if link is None:
        return render(request, "partners/link_unknown.html", status=404)
    asked = link.request
    newest = asked.links.order_by("-pk").first()
    if not asked.is_pending or newest != link:
        return render(
            request, "partners/link_dead.html", {"asked": asked, "newest": newest}, status=410
        )
    if not request.user.is_authenticated:
        here = urlencode({"next": request.path})
        context = {
            "asked": asked,
            "log_in": f"{reverse('account_login')}?{here}",
            "sign_up": f"{reverse('account_signup')}?{here}&{urlencode({'email': asked.email})}",
        }
        return render(request, "partners/link.html", context)
    mine = AuthorisationRequest.objects.received_by(request.user.environment).filter(pk=asked.pk)
    if request.user.environment_id is None or not mine.exists():
        return render(request, "partners/link_wrong_person.html", {"asked": asked}, status=403)
    return redirect("partners:consent", uuid=asked.uuid)


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def received(request):
    filters = RequestsFilterForm(request.GET)
    environment = request.user.environment
    found = filters.narrow(AuthorisationRequest.objects.received_by(environment))
    context = {
        "filters": filters,
        "page": page_of(
            request, found, by="-created_at", rows=AuthorisationRequest.objects.for_list().in_bulk
        ),
        "may_send": environment.may_send_requests and request.user.may(Permission.SEND_REQUESTS),
    }
    return render_part(request, "partners/received.html", "partners/_received.html", context)


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def consent(request, uuid):
    """Who asks, for what, until when; and that one need not agree."""
    asked = _received(request, uuid)
    if asked.is_pending and asked.email == request.user.email and not _may_answer(request, asked):
        services.tell_administrators(request=asked, by=request.user)
    return _consent_page(request, asked)


@environment_page(Permission.ANSWER_REQUESTS)
@require_POST
def accept(request, uuid):
    asked = _received(request, uuid)
    form = ConsentForm(request.POST, functions=asked.functions)
    if not form.is_valid():
        return _consent_page(request, asked, status=422)
    ticked = form.cleaned_data["functions"]
    try:
        partnership = services.accept(request=asked, functions=ticked, by=request.user)
    except services.Refused as refused:
        again = _received(request, uuid)
        return _consent_page(request, again, status=409, refused=refused, ticked=ticked)
    messages.success(
        request,
        _("%(accountant)s has access now. Here you see what they may do, and can end it.")
        % {"accountant": partnership.accountant},
    )
    return redirect(partnership)


@environment_page(Permission.ANSWER_REQUESTS)
@require_POST
def decline(request, uuid):
    asked = _received(request, uuid)
    try:
        services.decline(request=asked, by=request.user)
    except services.Refused as refused:
        return _consent_page(request, _received(request, uuid), status=409, refused=refused)
    messages.success(
        request, _("You declined. %(accountant)s is told.") % {"accountant": asked.accountant}
    )
    return redirect("partners:received")


@environment_page(Permission.MANAGE_ORGANISATIONS)
@require_POST
def add_organisation(request, uuid):
    """Add the organisation that the request is for, under the number in the request."""
    asked = _received(request, uuid)
    form = NewOrganisationForm(request.POST)
    if not form.is_valid():
        return _consent_page(request, asked, status=422, organisation_form=form)
    organisation = Organisation(
        name=form.cleaned_data["name"],
        country=asked.mandate.country,
        registration_number=asked.mandate.registration_number,
    )
    try:
        add_new_organisation(organisation=organisation, by=request.user)
    except RegistrationNumberInUse as refused:
        form.add_error("name", str(refused))
        return _consent_page(request, asked, status=409, organisation_form=form)
    messages.success(request, _("%(name)s is added.") % {"name": organisation})
    return redirect("partners:consent", uuid=asked.uuid)


def _received(request, uuid):
    found = AuthorisationRequest.objects.received_by(request.user.environment).for_list()
    return get_object_or_404(found, uuid=uuid)


def _may_answer(request, asked):
    return services.may_answer(asked, request.user) and request.user.may(Permission.ANSWER_REQUESTS)


def _consent_page(request, asked, status=200, **context):
    """The consent, or what became of the request; `ticked` and `organisation_form` as they were posted."""
    user, environment = request.user, request.user.environment
    mandate = asked.mandate
    organisation = environment.organisations.filter(
        country=mandate.country, registration_number=mandate.registration_number
    ).first()
    partnership = (
        Partnership.objects.active().filter(accountant=asked.accountant, client=environment).first()
    )
    is_member = bool(organisation) and organisation.memberships.filter(user=user).exists()
    is_addressed = services.may_answer(asked, user)
    context = {
        "asked": asked,
        "ticked": asked.functions,
        "organisation": organisation,
        "is_member": is_member,
        "may_answer": _may_answer(request, asked),
        "is_addressed": is_addressed,
        "was_removed": is_member and mandate.kept_out.filter(pk=asked.asked_by_id).exists(),
        "may_add": user.may(Permission.MANAGE_ORGANISATIONS),
        "organisation_form": NewOrganisationForm(initial={"name": asked.client_name}),
        "partnership": partnership,
        # What this accountant may do for this organisation already, and who else is in.
        "allowed": mandate.functions if organisation and mandate.is_active else [],
        "others": _other_accountants(organisation, asked) if is_member or is_addressed else [],
        "administrators": environment.users.administrators_of(environment)[:5],
        **context,
    }
    return render(request, "partners/consent.html", context, status=status)


def _other_accountants(organisation, asked):
    """The accountants that this organisation has already."""
    if organisation is None:
        return []
    others = organisation.mandates.active().exclude(accountant=asked.accountant)
    return others.select_related("accountant")
