"""The environment and its organisations."""

from copy import copy

from django.contrib import messages
from django.db.models import Exists, OuterRef, Value
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services
from accounts.access import comes_from_partner, environment_page, organisation_page
from accounts.forms import OrganisationForm, SearchForm, SwitchesForm
from accounts.models import Membership, Organisation, User
from accounts.roles import Permission
from portal.htmx import render_part
from portal.paging import page_of


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def environment(request):
    """Administrators see every organisation of the environment, others their own."""
    user = request.user
    filters = SearchForm(request.GET)
    if user.may(Permission.MANAGE_ORGANISATIONS):
        own = Membership.objects.filter(organisation=OuterRef("pk"), user=user)
        found = user.environment.organisations.annotate(is_member=Exists(own))
    else:
        found = Organisation.objects.reachable_by(user).annotate(is_member=Value(True))
    context = {
        "environment": user.environment,
        "filters": filters,
        "page": page_of(request, filters.narrow(found), by="name"),
        "may_add": user.may(Permission.MANAGE_ORGANISATIONS),
        "may_close": user.may(Permission.CLOSE_ENVIRONMENT),
        "people": user.environment.users.in_status(User.Status.ACTIVE).count(),
    }
    return render_part(
        request, "accounts/environment.html", "accounts/_organisations.html", context
    )


@environment_page(Permission.MANAGE_ORGANISATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
def add_organisation(request):
    if request.method != "POST":
        return _add_page(request, OrganisationForm(), status=200)
    form = OrganisationForm(request.POST)
    if not form.is_valid():
        return _add_page(request, form, status=422)
    try:
        organisation = services.add_organisation(organisation=form.instance, by=request.user)
    except services.RegistrationNumberInUse as refused:
        form.add_error("registration_number", str(refused))
        return _add_page(request, form, status=409)
    messages.success(request, _("%(name)s is added.") % {"name": organisation})
    return redirect(organisation)


@organisation_page(Permission.VIEW_ORGANISATION)
@require_safe
def organisation(request, organisation):
    at_home = not comes_from_partner(request.user, organisation)
    people = User.objects.filter(memberships__organisation=organisation)
    if not at_home:  # other accountants' people are no business of theirs
        people = people.filter(environment__in=[organisation.environment, request.user.environment])
    context = {
        "organisation": organisation,
        "addresses": organisation.addresses.order_by("value"),
        "may_change": at_home and request.user.may(Permission.MANAGE_ORGANISATIONS),
        "may_manage_users": at_home and request.user.may(Permission.MANAGE_USERS),
        "page": page_of(request, people.select_related("environment"), by="last_name"),
    }
    return render_part(request, "accounts/organisation.html", "accounts/_members.html", context)


@organisation_page(Permission.MANAGE_ORGANISATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
def change_organisation(request, organisation):
    if request.method != "POST":
        return _change_page(request, organisation, SwitchesForm(instance=organisation), status=200)
    form = SwitchesForm(request.POST, instance=copy(organisation))
    if not form.is_valid():
        return _change_page(request, organisation, form, status=422)
    services.change_organisation(
        organisation=form.instance, by=request.user, changed=form.changed_data
    )
    messages.success(request, _("%(name)s is changed.") % {"name": form.instance})
    return redirect(organisation)


def _add_page(request, form, status):
    return render(request, "accounts/organisation_add.html", {"form": form}, status=status)


def _change_page(request, organisation, form, status):
    context = {"organisation": organisation, "form": form}
    return render(request, "accounts/organisation_change.html", context, status=status)
