"""The Integrations service: its terms, activating and ending it (R8)."""

from functools import partial

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import integrations as service
from accounts.access import environment_page, integrations_lines
from accounts.forms import TermsForm
from accounts.refusals import Refused
from accounts.ripples import ask_first, rehearse, shown
from accounts.roles import Permission


@environment_page(Permission.VIEW_ORGANISATION)
@require_safe
def integrations(request):
    return _page(request)


@environment_page(Permission.MANAGE_INTEGRATIONS)
@require_POST
def activate(request):
    form = TermsForm(request.POST)
    if not form.is_valid():
        return _page(request, status=422, form=form)
    try:
        service.activate(
            environment=request.user.environment,
            terms=form.cleaned_data["terms"],
            by=request.user,
        )
    except Refused as refused:
        return _page(request, status=409, refused=refused)
    messages.success(request, _("The Integrations service is active. Connections can be made now."))
    return redirect("accounts:integrations")


@environment_page(Permission.MANAGE_INTEGRATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
def end(request):
    """End the service: first what stops, then the end."""
    environment = request.user.environment
    change = partial(service.end, environment=environment, by=request.user)
    if request.method != "POST":
        context = {"environment": environment, **shown(rehearse(change, about=environment))}
        return render(request, "accounts/integrations_end.html", context)
    question = ask_first(
        request,
        change,
        about=environment,
        title=_("End the Integrations service?"),
        button=_("End the service"),
        back=reverse("accounts:integrations"),
    )
    if question:
        return question
    messages.success(request, _("The Integrations service has ended. Its keys are suspended."))
    return redirect("accounts:integrations")


def _page(request, status=200, **context):
    environment = request.user.environment
    accepted = environment.integrations_terms
    context = {
        "environment": environment,
        "accepted": accepted,
        "lines": integrations_lines(request.user, environment),
        "may_manage": request.user.may(Permission.MANAGE_INTEGRATIONS),
        "is_outdated": accepted and accepted != service.TERMS,
        "terms": f"accounts/terms/{service.TERMS}.html",
        "form": TermsForm(initial={"terms": service.TERMS}),
        **context,
    }
    return render(request, "accounts/integrations.html", context, status=status)
