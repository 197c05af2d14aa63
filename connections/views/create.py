"""Creating a connection: for whom, with which package, with which access; then the keys, once."""

import re

from django.contrib import messages
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import (
    comes_from_partner,
    environment_page,
    integrations_lines,
    organisation_page,
    recent_login_required,
)
from accounts.forms import SearchForm
from accounts.models import Organisation
from accounts.roles import Permission
from connections import services
from connections.forms import ConnectionForm, OwnAppForm
from connections.models import Access, App, Connection
from portal.htmx import render_part

STEPS = [_("Choose the package"), _("Name and access"), _("Copy the keys")]
KINDS = {
    "generic": Q(environment__isnull=True),
    "own": Q(environment__isnull=False),
}
ORGANISATIONS_SHOWN = 100


@environment_page(Permission.MANAGE_KEYS)
@require_safe
def choose_organisation(request):
    """For whom? With one organisation there is nothing to choose. `kind` and `app` travel on."""
    kind, app, filters = _kind(request), _app(request), SearchForm(request.GET)
    wishes = _wishes(request)
    reachable = Organisation.objects.reachable_by(request.user).by_name()
    first = list(reachable[:2])
    if len(first) == 1:
        return redirect(_after_choosing(first[0], kind, app, wishes))
    found = list(filters.narrow(reachable)[: ORGANISATIONS_SHOWN + 1])
    context = {
        "choices": [
            (organisation, _after_choosing(organisation, kind, app, wishes))
            for organisation in found[:ORGANISATIONS_SHOWN]
        ],
        "more": len(found) > ORGANISATIONS_SHOWN,
        "filters": filters,
        "kind": kind,
        "app": app,
        "wishes": wishes,
    }
    return render_part(
        request, "connections/choose_organisation.html", "connections/_organisations.html", context
    )


@organisation_page(Permission.MANAGE_KEYS)
@require_safe
def choose_package(request, organisation):
    """Step 1: the gallery of Generic Apps and of the environment's Own Apps."""
    kind, filters = _kind(request), SearchForm(request.GET)
    apps = filters.narrow(App.objects.usable_by(organisation.environment).select_related("logo"))
    if kind:
        apps = apps.filter(KINDS[kind])
    context = {
        "organisation": organisation,
        "apps": apps.order_by(F("environment").desc(nulls_first=True), Lower("name"), "pk"),
        "kind": kind,
        "filters": filters,
        "may_add_apps": not comes_from_partner(request.user, organisation),
        "hindrances": _hindrances(request, organisation),
        "connected": set(organisation.connections.live().values_list("app", flat=True)),
        "steps": STEPS,
    }
    return render_part(
        request, "connections/choose_package.html", "connections/_packages.html", context
    )


@organisation_page(Permission.MANAGE_APPS)
@require_http_methods(["GET", "HEAD", "POST"])
def new_own_app(request, organisation):
    """Step 1, the other way: make an Own App, then go on with it."""
    name = request.GET.get("name", "").replace("\0", "")[:60]
    form = OwnAppForm(request.POST or None, request.FILES or None, initial={"name": name})
    if request.method == "POST" and form.is_valid():
        try:
            app = services.create_own_app(
                environment=organisation.environment, by=request.user, **form.cleaned_data
            )
            return redirect(
                "connections:create", organisation=organisation.organisation_id, app=app.pk
            )
        except services.NameTaken as taken:
            form.add_error("name", str(taken))
    status = 422 if form.is_bound else 200
    context = {"form": form, "organisation": organisation, "steps": STEPS}
    return render(request, "connections/own_app.html", context, status=status)


@organisation_page(Permission.MANAGE_KEYS)
@recent_login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("pair")
def create(request, organisation, app):
    """Step 2: name and access. The answer to its POST is step 3, the keys, shown once (R13, R14)."""
    app = (
        App.objects.usable_by(organisation.environment)
        .select_related("logo")
        .filter(pk=app)
        .first()
    )
    if app is None:
        raise Http404
    form = ConnectionForm(
        request.POST or None,
        app=app,
        owner_accesses=services.accesses_of(request.user, organisation),
        client_allows=organisation.let_do,
        initial={"name": app.name, **_prefilled(request)},
    )
    places = services.live_places_at(organisation)
    context = {
        "organisation": organisation,
        "app": app,
        "form": form,
        "others": {it.app for it in places if it.app != app and not it.known_administration},
        "steps": STEPS,
        "hindrances": _hindrances(request, organisation),
    }
    if request.method == "POST" and form.is_valid():
        try:
            connection, pair = services.create_connection(
                organisation=organisation, app=app, by=request.user, **form.cleaned_data
            )
            return keys_page(request, connection, pair, new=True)
        except services.AlreadyCreated as already:
            return already_created_page(request, already, organisation)
        except services.OutOfReach as refused:
            messages.warning(request, str(refused))
            return redirect("home")
        except services.AlreadyConnected as already:
            context["already"] = already
            context["connected"] = Connection.objects.for_list().get(pk=already.connection.pk)
            context["may_manage"] = context["connected"].is_managed_by(request.user)
        except services.ConfirmFirst as refused:
            context |= {"refusal": refused, "confirm": True}
        except services.Refused as refused:
            context["refusal"] = refused
    status = 422 if form.is_bound else 200
    return render(request, "connections/create.html", context, status=status)


@sensitive_variables("pair")
def keys_page(request, connection, pair, *, new, back=None):
    """The one answer that holds a Secret: a full page, stored by nobody (R14); OK leads to `back`."""
    connection = get_object_or_404(Connection.objects.for_list(), pk=connection.pk)
    context = {
        "connection": connection,
        "pair": pair,
        "secret": pair.secret.reveal(),
        "new": new,
        "back": back,
        "steps": STEPS,
    }
    return render(request, "connections/keys.html", context)


def _hindrances(request, organisation):
    """What whoever pays lacks for keys of this organisation (R8)."""
    payer = services.payer_for(request.user, organisation)
    return integrations_lines(request.user, payer, organisation.environment)


def _kind(request):
    kind = request.GET.get("kind")
    return kind if kind in KINDS else ""


def _app(request):
    app = request.GET.get("app", "")
    return int(app) if re.fullmatch(r"[0-9]{1,9}", app) else None


def _wishes(request):
    """What a vendor's link prefills, as it travels from page to page."""
    wishes = {
        name: request.GET.get(name, "").replace("\0", "")[:600] for name in ("name", "functions")
    }
    return {name: value for name, value in wishes.items() if value}


def _prefilled(request):
    """The same as a beginning of the form; the person reviews it, and its boxes keep their limits."""
    wishes = _wishes(request)
    beginning = {"name": wishes["name"][:60]} if "name" in wishes else {}
    if "functions" in wishes:
        beginning |= {"access": Access.CHOSEN, "functions": wishes["functions"].split(",")}
    return beginning


def _after_choosing(organisation, kind, app, wishes):
    """Where the choice of an organisation leads: to the package already known, or the gallery."""
    where = {"organisation": organisation.organisation_id}
    if app:
        query = f"?{urlencode(wishes)}" if wishes else ""
        return reverse("connections:create", kwargs={**where, "app": app}) + query
    return reverse("connections:new", kwargs=where) + (f"?kind={kind}" if kind else "")


def already_created_page(request, already, organisation):
    context = {"key_set": already.key_set, "organisation": organisation}
    return render(request, "connections/already_created.html", context, status=409)
