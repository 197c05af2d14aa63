"""Autopilot: switching it on, its signing secret, testing it, and the journal of what was pushed."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import (
    Line,
    integrations_lines,
    organisation_page,
    recent_login_required,
)
from accounts.roles import Permission
from connections.autopilot import pushing, refusals, services
from connections.autopilot.forms import JournalFilterForm, SigningSecretForm, SwitchOnForm
from connections.functions import FUNCTIONS
from connections.models import App, Connection
from connections.refusals import ConfirmFirst, NotYours, OutOfReach
from connections.services import payer_for
from connections.views.connection import connection_of
from connections.views.create import STEPS as STEPS_TO_KEYS
from connections.views.testing import conditions_of_owner
from portal.htmx import render_part
from portal.paging import page_of

STEPS = [STEPS_TO_KEYS[0], _("Name"), _("Copy the signing secret")]


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
def switch_on(request, organisation, app):
    """Instead of keys: have invoices pushed. The answer to the POST shows the signing secret once (R22)."""
    apps = App.objects.usable_by(organisation.environment).select_related("logo")
    app = apps.filter(pk=app).first()
    if app is None:
        raise Http404
    if not app.autopilot_url:
        return redirect("connections:create", organisation=organisation.organisation_id, app=app.pk)
    form = SwitchOnForm(request.POST or None, initial={"name": app.name})
    context = {
        "organisation": organisation,
        "app": app,
        "form": form,
        "steps": STEPS,
        "hindrances": integrations_lines(
            request.user, payer_for(request.user, organisation), organisation.environment
        ),
    }
    if request.method == "POST" and form.is_valid():
        try:
            connection, secret = services.switch_on(
                organisation=organisation, app=app, by=request.user, **form.cleaned_data
            )
            return _secret_page(request, connection, secret)
        except refusals.SecretShown as shown:
            return _shown_page(request, shown, organisation)
        except OutOfReach as refused:
            messages.warning(request, str(refused))
            return redirect("home")
        except refusals.Refused as refused:
            context["refusal"] = refused
            context["asks"] = isinstance(refused, ConfirmFirst)
    typed = form.cleaned_data.get("administration", "") if form.is_bound else ""
    context["with_keys"] = services.with_keys(organisation, typed)
    return render(
        request, "autopilot/switch_on.html", context, status=422 if form.is_bound else 200
    )


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("secret")
def new_signing_secret(request, organisation, number):
    """A new signing secret, shown once; for 24 hours the one before signs too (R14)."""
    connection = _managed(request, organisation, number)
    if not connection.is_autopilot:
        return redirect(connection)
    form = SigningSecretForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            secret = services.new_signing_secret(
                connection=connection, by=request.user, **form.cleaned_data
            )
            return _secret_page(request, connection, secret, new=False)
        except refusals.SecretShown as shown:
            return _shown_page(request, shown, organisation)
        except refusals.Refused as refused:
            messages.warning(request, str(refused))
            return redirect(connection)
    context = {"connection": connection, "form": form}
    status = 422 if form.is_bound else 200
    return render(request, "autopilot/new_signing_secret.html", context, status=status)


@organisation_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "HEAD", "POST"])
def test(request, organisation, number):
    """Test connection: what must hold, and a test push with what the package says (R24)."""
    connection = _managed(request, organisation, number)
    if not connection.is_autopilot:
        return redirect(
            "connections:test", organisation=organisation.organisation_id, number=number
        )
    attempt = refusal = None
    if request.method == "POST":
        try:
            attempt = pushing.push_test(connection=connection)
        except refusals.Refused as refused:
            refusal = refused
    lines = _conditions(connection)
    context = {
        "connection": connection,
        "attempt": attempt,
        "refusal": refusal,
        "lines": lines,
        "ok": all(line.ok for line in lines),
    }
    return render(request, "autopilot/test.html", context, status=409 if refusal else 200)


@organisation_page(Permission.MANAGE_KEYS, FUNCTIONS["GetInboxDocuments"])
@require_safe
def journal(request, organisation, number):
    """Every attempt of the last 90 days, the newest first."""
    connection = connection_of(organisation, number)
    if not connection.is_autopilot:
        return redirect(connection)
    form = JournalFilterForm(request.GET)
    attempts = form.applied_to(connection.attempts.select_related("invoice"))
    context = {
        "connection": connection,
        "organisation": organisation,
        "page": page_of(request, attempts, by="-at"),
        "result": form.cleaned_data.get("result", ""),
        "form": form,
    }
    return render_part(request, "autopilot/journal.html", "autopilot/_attempts.html", context)


@sensitive_variables("secret")
def _secret_page(request, connection, secret, *, new=True):
    """The one answer that holds a signing secret: a full page, stored by nobody (R14)."""
    connection = get_object_or_404(Connection.objects.for_list(), pk=connection.pk)
    context = {"connection": connection, "secret": secret.reveal(), "new": new, "steps": STEPS}
    return render(request, "autopilot/secret.html", context)


def _shown_page(request, shown, organisation):
    context = {"made": shown.made, "organisation": organisation}
    return render(request, "autopilot/already_shown.html", context, status=409)


def _managed(request, organisation, number):
    connection = connection_of(organisation, number)
    if not connection.is_managed_by(request.user):
        raise PermissionDenied(NotYours(connection))
    return connection


def _conditions(connection):
    """The lines of "Test connection", as for keys where they are the same."""
    autopilot, app = connection.autopilot, {"app": connection.app.name}
    lines = [
        _line(
            not connection.is_revoked,
            _("Autopilot is switched on."),
            _("The connection is revoked."),
            _("Create a new connection: a revoked one never comes back."),
        ),
        _line(
            not connection.paused_at,
            _("It is not paused."),
            _("It is paused; invoices wait."),
            _("Resume it on the page of the connection."),
        ),
        *conditions_of_owner(connection),
        connection.owner_stands
        and _line(
            autopilot.may_push,
            _("It may fetch received invoices, which pushing takes."),
            _("It may not fetch received invoices, which pushing takes."),
            _("Edit the accesses of the owner, or the permissions of the app."),
        ),
        _line(
            bool(connection.app.autopilot_url),
            _("%(app)s has an address for Autopilot.") % app,
            _("%(app)s has no address for Autopilot any more.") % app,
            _("Ask the maker of the package, or connect it with keys."),
        ),
        _line(
            not autopilot.failing_since,
            _("Nothing has failed since the last delivery."),
            _("%(app)s has not taken an invoice since the first failure.") % app,
            _("The journal says what happened. Ask the maker of the package."),
        ),
    ]
    return [line for line in lines if line]


def _line(ok, holds, fails, how):
    return Line(True, holds) if ok else Line(False, fails, how)
