"""What is done to a connection while it runs: pause, resume, the end of its keys (R17, R23)."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import organisation_page, recent_login_required
from accounts.roles import Permission
from connections import services
from connections.forms import EndForm
from connections.views.connection import managed


@organisation_page(Permission.MANAGE_KEYS)
@require_POST
def pause(request, organisation, number):
    said = _("The connection is paused: every call is refused until somebody resumes it.")
    return _done(request, organisation, number, services.pause, said)


@organisation_page(Permission.MANAGE_KEYS)
@require_POST
def resume(request, organisation, number):
    said = _("The connection works again, with the same keys.")
    return _done(request, organisation, number, services.resume, said)


@organisation_page(Permission.MANAGE_KEYS)
@require_POST
def end_older(request, organisation, number):
    """End now: the older keys of a planned change, asked once more while software needs them (R17)."""
    connection = managed(request, organisation, number)
    key_sets = connection.key_sets.live()
    older, current = key_sets.retiring().first(), key_sets.current().first()
    if older and not older.is_silent_beside(current) and "confirmed" not in request.POST:
        awaited = current is None or current.first_used_at is None
        context = {"connection": connection, "awaited": awaited}
        return render(request, "connections/end_older.html", context)
    said = _("The old keys have ended.")
    return _done(request, organisation, number, services.end_older, said)


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
def expiry(request, organisation, number):
    """When the keys in use end by themselves, if they are to."""
    connection = managed(request, organisation, number)
    ends_at = connection.keys_end_at
    form = EndForm(
        request.POST or None,
        initial={
            "ends_on": ends_at and localtime(ends_at).date(),
            "exactly": bool(ends_at) and localtime(ends_at).weekday() > 4,
        },
    )
    if request.method == "POST" and form.is_valid():
        ends_at = form.cleaned_data["ends_at"]
        said = (
            _("From %(at)s on every call with these keys is refused.")
            % {"at": date_format(localtime(ends_at), "DATETIME_FORMAT")}
            if ends_at
            else _("The keys do not end by themselves.")
        )
        return _done(request, organisation, number, services.change_end, said, ends_at=ends_at)
    status = 422 if form.is_bound else 200
    context = {"connection": connection, "form": form}
    return render(request, "connections/expiry.html", context, status=status)


def _done(request, organisation, number, service, said, **values):
    """Do it, say so, and lead back to the connection; what the service refuses is said instead."""
    connection = managed(request, organisation, number)
    try:
        service(connection=connection, by=request.user, **values)
    except services.Refused as refused:
        messages.warning(request, str(refused))
    else:
        messages.success(request, said)
    return redirect(connection)
