"""The other end of an invitation link."""

from django.contrib import messages
from django.contrib.auth import logout
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import services
from accounts.access import public_page
from accounts.forms import AcceptInvitationForm


@public_page
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request, token):
    try:
        return _answer(request, token)
    except services.InvitationDead as dead:
        return render(request, "accounts/invitation_dead.html", {"sentence": dead}, status=410)


def _answer(request, token):
    user = services.invited_user(token)
    if request.method != "POST":
        return _page(request, user, AcceptInvitationForm(user=user), status=200)
    form = AcceptInvitationForm(request.POST, user=user)
    if not form.is_valid():
        return _page(request, user, form, status=422)
    services.accept_invitation(token=token, language=request.LANGUAGE_CODE, **form.cleaned_data)
    logout(request)  # whoever was signed in here is not the one who sets out now
    messages.success(
        request, _("Welcome! Sign in with %(email)s and your new password.") % {"email": user.email}
    )
    return redirect("account_login")


def _page(request, user, form, status):
    return render(
        request, "accounts/invitation.html", {"person": user, "form": form}, status=status
    )
