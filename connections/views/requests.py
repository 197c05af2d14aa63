"""What a request ID stands for: the refused call, what was missing, who can change it (R44)."""

from itertools import chain

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.access import Line, environment_page
from accounts.refusals import Refused
from accounts.roles import Permission
from connections import refused as refusals
from connections.models import RefusedCall, function_named


class RequestForm(forms.Form):
    id = forms.CharField(label=gettext_lazy("Request ID"), max_length=40)


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def look_up(request):
    """Look up a request ID."""
    form = RequestForm(request.GET or None)
    found = _found(request.user, form.cleaned_data["id"].strip()) if form.is_valid() else None
    context = {"form": form, "refused": found}
    if found:
        connection = refusals.connection_of(found)
        place = refusals.place_of(found, connection)
        mark = refusals.mark_of(found, place)
        changes = refusals.who_can_change(found, place)
        context |= {
            "connection": connection,
            "place": place,
            "function": function_named(found.function),
            "mark": mark,
            "lines": _lines(found, mark, place) if mark else [],
            "changes": changes,
            "can_ask": any(user != request.user for user in chain(*changes.values())),
            "may_open": request.user.may(Permission.MANAGE_KEYS) and not connection.deleted_at,
            "may_manage": request.user.may(Permission.MANAGE_KEYS)
            and connection.is_managed_by(request.user),
        }
    return render(request, "connections/request.html", context)


@environment_page(Permission.VIEW_ORGANISATION)
@require_POST
def ask(request, request_id):
    """Ask those who can change it."""
    found = _found(request.user, request_id)
    if found is None:
        raise Http404
    try:
        people = refusals.ask(refused=found, by=request.user)
    except Refused as refused:
        messages.warning(request, str(refused))
    else:
        names = {"people": ", ".join(user.get_full_name() for user in people)}
        messages.success(request, _("Asked by mail: %(people)s.") % names)
    return redirect(found)


def _found(user, request_id):
    if "\0" in request_id:
        return None
    calls = RefusedCall.objects.within_reach_of(user).select_related("key_set")
    return calls.filter(request_id=request_id).first()


def _lines(found, mark, place):
    """The marks of the function as they are now, each as a line (R28)."""
    words = {
        "app": place.app,
        "owner": place.owner.get_full_name(),
        "client": place.organisation.environment,
    }
    lines = [
        Line(mark.app, _("%(app)s asks for it") % words),
        Line(mark.key, _("The key has it")),
        Line(mark.owner, _("%(owner)s, the owner, has it here") % words),
    ]
    if place.mandate:
        lines.append(Line(mark.partnership, _("%(client)s allows it") % words))
    if found.reason == "token":
        how = _("The software chose the scopes of its token: it asks for a new one.")
        lines.append(Line(False, _("The token was asked with this scope"), how))
    return lines
