"""Keys on a user: the tab "API access" of a person, accesses, and New key (R25, R26)."""

import re
from functools import partial

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import (
    comes_from_partner,
    environment_page,
    integrations_lines,
    recent_login_required,
    without_nul,
)
from accounts.models import Membership, Organisation, User
from accounts.ripples import ask_first
from accounts.roles import Permission
from connections import services
from connections.forms import ConnectionForm, CustomApp, NewKeyForm, PersonAccessesForm
from connections.models import App, Connection, catalogue
from connections.views.create import already_created_page, keys_page
from partners.models import Mandate
from portal.paging import page_of


@environment_page(Permission.MANAGE_USERS)
@require_safe
def api_access(request, pk):
    """The keys that live on this user, and what the user may do in each organisation."""
    person = _person(request, pk)
    connections = Connection.objects.listed().filter(owner=person)
    if person.environment != request.user.environment:
        connections = connections.filter(organisation__environment=request.user.environment)
    page = page_of(
        request, connections, by="-created_at", rows=Connection.objects.for_list().in_bulk
    )
    within_reach = set(_organisations(request.user, person).values_list("pk", flat=True))
    for row in page.rows:
        row.may_manage = row.organisation_id in within_reach and row.is_managed_by(request.user)
    context = {
        "person": person,
        "is_guest": person.environment != request.user.environment,
        "page": page,
        "memberships": _memberships(request.user, person),
        "may_own": person.may(Permission.MANAGE_KEYS),
        "has_organisations": bool(within_reach),
        "hindrances": integrations_lines(request.user, request.user.environment),
    }
    return render(request, "connections/api_access.html", context)


@environment_page(Permission.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def accesses(request, pk, organisation_id):
    """What a person may do in one organisation of this environment; keys that live on the person follow."""
    person = _person(request, pk)
    membership = get_object_or_404(
        person.memberships.select_related("organisation__environment"),
        organisation__organisation_id=without_nul(organisation_id),
        organisation__environment=request.user.environment,
    )
    mandate = services.mandate_of(person, membership.organisation)
    form = PersonAccessesForm(
        request.POST or None, membership=membership, client_allows=mandate and mandate.functions
    )
    refusal = None
    if request.method == "POST" and form.is_valid():
        change = partial(
            services.change_accesses_of_person,
            membership=membership,
            accesses=form.accesses,
            seen=form.cleaned_data["seen"],
            by=request.user,
        )
        try:
            question = ask_first(
                request,
                change,
                about=person,
                title=_("Take accesses from %(name)s?") % {"name": person},
                button=_("Take them away"),
                back=_tab(person),
            )
        except services.Refused as refused:
            refusal = refused
            membership = get_object_or_404(person.memberships, pk=membership.pk)
            form = PersonAccessesForm(
                membership=membership, client_allows=mandate and mandate.functions
            )
        else:
            if question:
                return question
            text = _("The accesses of %(name)s are changed. They hold from the next call on.")
            messages.success(request, text % {"name": person})
            return redirect(_tab(person))
    context = {
        "person": person,
        "organisation": membership.organisation,
        "mandate": mandate,
        "form": form,
        "refusal": refusal,
    }
    status = 409 if refusal else 422 if form.is_bound else 200
    return render(request, "connections/person_accesses.html", context, status=status)


@environment_page(Permission.MANAGE_USERS)
@require_safe
def new_key(request, pk):
    """New key, first half: for which organisation and which application."""
    person = _person(request, pk)
    asked = "organisation" in request.GET
    form = NewKeyForm(
        request.GET if asked else None,
        organisations=_organisations(request.user, person).by_name(),
        user=request.user,
    )
    if asked and form.is_valid():
        organisation, app = form.cleaned_data["organisation"], form.cleaned_data["app"]
        query = {"app": app.pk} if app.pk else {"custom": app.name}
        url = _key_url(person, organisation)
        return redirect(f"{url}?{urlencode(query)}")
    context = {"person": person, "form": form}
    if form.registered:
        url = _key_url(person, form.cleaned_data["organisation"])
        context["registered_url"] = f"{url}?{urlencode({'app': form.registered.pk})}"
    return render(request, "connections/new_key.html", context, status=422 if asked else 200)


@environment_page(Permission.MANAGE_USERS)
@require_http_methods(["GET", "HEAD", "POST"])
def create_key(request, pk, organisation_id):
    """New key, second half: its name and access. The answer to the POST shows the keys, once (R14, R26)."""
    person = _person(request, pk)
    organisation = get_object_or_404(
        _organisations(request.user, person).select_related("environment"),
        organisation_id=without_nul(organisation_id),
    )
    app = _app(request, organisation)
    if app is None:
        return redirect("connections:new-key", pk=person.pk)
    return _create_key(request, person, organisation, app)


@recent_login_required
@sensitive_variables("pair")
def _create_key(request, person, organisation, app):
    mandate = services.mandate_of(person, organisation)
    form = ConnectionForm(
        request.POST or None,
        app=app,
        owner_accesses=services.accesses_of(person, organisation),
        client_allows=mandate and mandate.functions,
        own_accesses=services.accesses_of(request.user, organisation),
        initial={"name": app.name},
    )
    context = {
        "person": person,
        "organisation": organisation,
        "app": app,
        "form": form,
        "hindrances": integrations_lines(
            request.user,
            services.payer_for(person, organisation),
            organisation.environment,
            person.environment,
        ),
    }
    if request.method == "POST" and form.is_valid():
        try:
            connection, pair = services.create_connection(
                organisation=organisation,
                app=app,
                owner=person,
                by=request.user,
                **form.cleaned_data,
            )
            return keys_page(request, connection, pair, new=True, back=_tab(person))
        except services.AlreadyCreated as already:
            return already_created_page(request, already, organisation)
        except services.Refused as refused:
            context |= {
                "refusal": refused,
                "confirm": isinstance(refused, services.ConfirmFirst),
            }
    status = 409 if "refusal" in context else 422 if form.is_bound else 200
    return render(request, "connections/create_key.html", context, status=status)


def _person(request, pk):
    """A colleague, or somebody of a partner who may enter an organisation of this environment."""
    seen = User.objects.seen_by_administrators_of(request.user.environment)
    return get_object_or_404(seen.select_related("environment"), pk=pk)


def _organisations(user, person):
    """Where `user` can make keys that live on `person`: both are members; of a guest, only here."""
    member = Membership.objects.filter(user=person, organisation=OuterRef("pk"))
    found = Organisation.objects.reachable_by(user).filter(Exists(member))
    if person.environment_id != user.environment_id:
        found = found.filter(environment=user.environment_id)
    return found


def _memberships(user, person):
    """Where the person may enter, with what; `allowed` is what the client allows a partner there, or None."""
    found = person.memberships.select_related("organisation__environment")
    if person.environment_id != user.environment_id:
        found = found.filter(organisation__environment=user.environment_id)
    mandates = dict(
        Mandate.objects.active()
        .filter(accountant=person.environment_id)
        .values_list("organisation", "functions")
    )
    memberships = list(found.order_by("organisation__name", "pk"))
    for membership in memberships:
        membership.allowed = mandates.get(membership.organisation_id)
    return memberships


def _app(request, organisation):
    """The application asked for: one of the list, or a name that no application has yet (R12); or None."""
    usable = App.objects.usable_by(organisation.environment).select_related("logo")
    asked = {**request.GET.dict(), **request.POST.dict()}
    custom = CustomApp(asked)
    if custom.is_valid():
        name = custom.cleaned_data["custom"]
        app = usable.called(name)
        if app or comes_from_partner(request.user, organisation):  # a partner's people add none
            return app
        return App(environment=organisation.environment, name=name, functions=list(catalogue()))
    number = asked.get("app", "")
    return usable.filter(pk=number).first() if re.fullmatch(r"[0-9]{1,9}", number) else None


def _tab(person):
    return reverse("connections:api-access", kwargs={"pk": person.pk})


def _key_url(person, organisation):
    kwargs = {"pk": person.pk, "organisation_id": organisation.organisation_id}
    return reverse("connections:create-key", kwargs=kwargs)
