"""What people change about themselves."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.access import personal_page, public_page
from accounts.forms import MailsForm, NamesForm
from accounts.mail.groups import ALWAYS, CHOSEN


@personal_page
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request):
    user = request.user
    if request.method != "POST":
        form = NamesForm(initial={"first_name": user.first_name, "last_name": user.last_name})
        return render(request, "accounts/profile.html", {"form": form})
    form = NamesForm(request.POST)
    if not form.is_valid():
        return render(request, "accounts/profile.html", {"form": form}, status=422)
    services.change_profile(user=user, **form.cleaned_data)
    messages.success(request, _("Your profile has been successfully updated."))
    return redirect("accounts:profile")


@personal_page
@require_http_methods(["GET", "HEAD", "POST"])
def mails(request):
    """Which mails the person gets; the notices in the portal stay (R54)."""
    user = request.user
    if request.method != "POST":
        form = MailsForm(initial={group: group not in user.mails_off for group in CHOSEN})
        return render(request, "accounts/mails.html", {"form": form, "always": ALWAYS})
    form = MailsForm(request.POST)
    form.full_clean()
    services.change_profile(user=user, mails_off=form.switched_off())
    messages.success(request, _("Your choice of mails is saved."))
    return redirect("accounts:mails")


@public_page
@require_POST
def set_language(request):
    """Remember the language, in the browser and, for who is signed in, with the person (R57)."""
    response = HttpResponseRedirect(_safe_next(request))
    language = request.POST.get("language")
    if language not in dict(settings.LANGUAGES):
        return response
    if request.user.is_authenticated:
        services.change_profile(user=request.user, language=language)
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=timedelta(days=365),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def _safe_next(request):
    asked = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        asked, {request.get_host()}, require_https=request.is_secure()
    )
    return asked if safe and asked.isprintable() else "/"
