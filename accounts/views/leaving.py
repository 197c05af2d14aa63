"""Leaving: all that is known about oneself as a file, the end of one's account, the end of an environment."""

from functools import partial

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import closing, export, services
from accounts.access import environment_page, personal_page, recent_login_required
from accounts.forms import CloseForm
from accounts.models import User
from accounts.refusals import Refused
from accounts.ripples import ask_first, rehearse, shown
from accounts.roles import Permission, roles_that_allow


@personal_page
@recent_login_required
@require_POST
@never_cache
def download(request):
    """The person's data as one file."""
    return HttpResponse(
        export.make(user=request.user),
        content_type="application/zip",
        headers={"Content-Disposition": content_disposition_header(True, "koppel-my-data.zip")},
    )


@environment_page(Permission.VIEW_ORGANISATION, while_blocked=True)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete_account(request):
    """Delete the own account: first what stops, then the end."""
    change = partial(services.delete_account, user=request.user)
    try:
        if request.method != "POST":
            return _delete_page(request, losses=rehearse(change, about=request.user))
        question = ask_first(
            request,
            change,
            about=request.user,
            title=_("Delete your account?"),
            button=_("Delete my account"),
            back=reverse("accounts:profile"),
        )
    except Refused as refused:
        status = 409 if request.method == "POST" else 200
        return _delete_page(request, refused=refused, status=status)
    return question or _goodbye(request, _("Your account is deleted."))


@environment_page(Permission.CLOSE_ENVIRONMENT)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
def close(request):
    """Close the environment: first what ends, then the name typed, then the end."""
    environment = request.user.environment
    if request.method != "POST":
        return _close_page(request, CloseForm(environment=environment))
    form = CloseForm(request.POST, environment=environment)
    if not form.is_valid():
        return _close_page(request, form, status=422)
    try:
        closing.close(environment=environment, seen=form.cleaned_data["shown"], by=request.user)
    except Refused as refused:
        return _close_page(request, form, status=409, refused=refused)
    return _goodbye(request, _("%(environment)s is closed.") % {"environment": environment})


def _goodbye(request, text):
    logout(request)
    messages.success(request, text)
    return redirect("account_login")


def _delete_page(request, losses=(), status=200, **context):
    context |= {"heirs": _heirs(losses, request.user), **shown(losses)}
    return render(request, "accounts/account_delete.html", context, status=status)


def _heirs(losses, user):
    """Who can take these connections over: administrators of either side who are members there (R7)."""
    environments = {user.environment_id}
    environments |= {loss.of.organisation.environment_id for loss in losses}
    people = User.objects.filter(
        memberships__organisation__in={loss.of.organisation_id for loss in losses},
        environment__in=environments,
        role__in=roles_that_allow(Permission.TAKE_OVER),
        is_active=True,
        joined_at__isnull=False,
    )
    return people.exclude(pk=user.pk).distinct().order_by("last_name", "pk")


def _close_page(request, form, status=200, **context):
    environment = request.user.environment
    context |= {
        "environment": environment,
        "form": form,
        "ends": closing.what_ends(environment),
        "shown": closing.fingerprint(environment),
        "days": closing.REVERSIBLE.days,
    }
    return render(request, "accounts/environment_close.html", context, status=status)
