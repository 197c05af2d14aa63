"""Further organisations for which a connection is used (R15)."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import organisation_page, recent_login_required
from accounts.models import Organisation
from accounts.roles import Permission
from connections import services
from connections.forms import OrganisationForm
from connections.models import Connection
from connections.views.connection import managed, places_seen


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
def add(request, organisation, number):
    """The owner adds an organisation to a connection; the keys stay the same (R15)."""
    connection = managed(request, organisation, number)
    if request.user != connection.owner:
        raise PermissionDenied(services.NotTheOwner(connection.owner))
    addable = _addable(connection, request.user)
    form = OrganisationForm(request.POST or None, organisations=addable)
    context = {"connection": connection, "form": form, "nothing_to_add": not addable.exists()}
    if request.method == "POST" and form.is_valid():
        try:
            services.add_organisation(connection=connection, by=request.user, **form.cleaned_data)
        except services.ConfirmFirst as refused:
            context |= {"refusal": refused, "confirm": True}
        except services.Refused as refused:
            context["refusal"] = refused
        else:
            said = _("The keys are good for %(name)s too. The software names it in every call.")
            messages.success(request, said % {"name": form.cleaned_data["organisation"]})
            return redirect(connection)
    status = 422 if form.is_bound else 200
    return render(request, "connections/add_organisation.html", context, status=status)


@organisation_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request, organisation, number, other):
    """Take a further organisation out of a connection, for those who manage the connection (R15)."""
    connection = managed(request, organisation, number)
    for place in places_seen(connection, request.user):
        if place.is_seen and str(place.organisation.pk) == str(other):
            return _remove(request, connection, place.organisation, connection.get_absolute_url())
    raise Http404


@organisation_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request, organisation, connection):
    """Stop the use of a connection of others for the organisation, for its own people (R15)."""
    connection = get_object_or_404(
        Connection.objects.live().used_for(organisation).for_list(), uuid=connection
    )
    return _remove(request, connection, organisation, None)


def _remove(request, connection, organisation, back):
    overview = "connections:overview-of", organisation.organisation_id
    if request.method == "POST":
        try:
            services.remove_organisation(
                connection=connection, organisation=organisation, by=request.user
            )
        except services.Refused as refused:
            messages.warning(request, str(refused))
        else:
            said = _("%(connection)s is no longer used for %(name)s.")
            messages.success(request, said % {"connection": connection, "name": organisation})
        return redirect(back) if back else redirect(*overview)
    context = {"connection": connection, "organisation": organisation, "back": back}
    return render(request, "connections/remove_organisation.html", context)


def _addable(connection, user):
    """Where the owner may enter, and where the connection is not used yet."""
    used = [place.organisation.pk for place in services.places_of(connection)]
    return Organisation.objects.reachable_by(user).exclude(pk__in=used).by_name()
