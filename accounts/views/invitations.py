"""The other end of an invitation link."""

from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth import logout
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import services
from accounts.access import public_page
from accounts.forms import AcceptInvitationForm
from accounts.models import Organisation
from accounts.refusals import EnvironmentBlocked


@public_page
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request, token):
    try:
        return _answer(request, token)
    except services.InvitationDead as dead:
        return render(request, "accounts/invitation_dead.html", {"sentence": dead}, status=410)
    except EnvironmentBlocked as blocked:  # the link works again afterwards
        return render(request, "accounts/invitation_dead.html", {"sentence": blocked}, status=403)


def _answer(request, token):
    user = services.invited_user(token)
    if request.method != "POST":
        names = {"first_name": user.first_name, "last_name": user.last_name}
        return _page(request, user, AcceptInvitationForm(user=user, initial=names), status=200)
    form = AcceptInvitationForm(request.POST, user=user)
    if not form.is_valid():
        return _page(request, user, form, status=422)
    user = services.accept_invitation(
        token=token, language=request.LANGUAGE_CODE, **form.cleaned_data
    )
    logout(request)  # whoever was signed in here is not the one who sets out now
    answer = perform_login(request, user)
    list(messages.get_messages(request))  # allauth's greeting; ours says more
    messages.success(request, _welcome(user))
    return answer


def _welcome(user):
    if user.is_staff:
        return _("Welcome, %(name)s! The support desk opens with two-step sign-in.") % {
            "name": user.first_name
        }
    names = Organisation.objects.reachable_by(user).in_words()
    if names:
        return _("Welcome, %(name)s! You see: %(organisations)s") % {
            "name": user.first_name,
            "organisations": names,
        }
    return _(
        "Welcome, %(name)s! An administrator still has to make you a member of an organisation."
    ) % {"name": user.first_name}


def _page(request, user, form, status):
    context = {
        "person": user,
        "organisations": Organisation.objects.reachable_by(user).in_words(),
        "form": form,
    }
    return render(request, "accounts/invitation.html", context, status=status)
