"""The pages of the support desk beside its tables: the search, an environment, a connection.

From what a customer says on the phone to the cause, and to the sentence to say back. Every look is a line in
the activity log of those concerned (decision 31).
"""

import re
from dataclasses import dataclass
from functools import partial

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.db.models import Exists, F, Max, OuterRef, Q, Sum
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import closing
from accounts.desk import mended, note_look, question
from accounts.events.models import Action, Event
from accounts.mail.models import Mail
from accounts.models import Environment, Organisation, User
from connections import services
from connections.errors import SCOPE_MISSING
from connections.models import (
    CallCount,
    Connection,
    FurtherOrganisation,
    KeySet,
    RefusedCall,
    catalogue,
)
from connections.views.connection import refusals_of
from connections.views.testing import conditions, conditions_of_owner
from partners.models import AuthorisationRequest, Partnership
from portal.admin import SECOND_FACTORS
from portal.search import searched

SHOWN = 20
OF_EACH_KIND = 10
REQUEST_ID = re.compile(r"req_(\w+)|([0-9a-f]{20})")
SEEN = "accounts.view_environment"


# The search


class SearchForm(forms.Form):
    q = forms.CharField(
        label=gettext_lazy("Search"),
        min_length=3,
        max_length=200,
        error_messages={
            "required": gettext_lazy("Type what the customer reads out."),
            "min_length": gettext_lazy("Type at least 3 characters."),
            "max_length": gettext_lazy("Type at most 200 characters."),
        },
    )


@dataclass(frozen=True)
class Hit:
    """One thing that was found: of which environment, and whether by a whole name or number."""

    what: str
    text: str
    url: str
    environment: Environment | None
    other: Environment | None = None  # the other side of it
    exact: bool = True


@admin.site.page("search/", SEEN)
@require_safe
def search(request):
    """Whatever a customer reads out, in one field; one exact hit leads straight there."""
    form = SearchForm(request.GET)
    hits = _hits(form.cleaned_data["q"]) if form.is_valid() else []
    if len(hits) == 1 and hits[0].exact:
        return redirect(hits[0].url)
    groups = {}
    for hit in hits:
        groups.setdefault(hit.environment, []).append(hit)
    seen = {side for hit in hits for side in (hit.environment, hit.other) if side}
    note_look(by=request.user, environments=seen, looked_at="search")
    context = {"title": _("Search"), "form": form, "groups": groups, "most": OF_EACH_KIND}
    return _page(request, "search", context, status=200 if form.is_valid() else 422)


def _hits(text):
    """All that is found, the best first: as many queries for much as for nothing."""
    people = list(
        User.objects.filter(email__iexact=text, is_staff=False).select_related("environment")[:1]
    )
    return [
        *_keys(text),
        *_calls(text),
        *_environments(text),
        *_organisations(text),
        *(Hit(_("Person"), user.email, _row(user), user.environment) for user in people),
        *_requests(text),
        *_mails(text, people[0].environment if people else None),
    ]


def _keys(text):
    sides = ("connection__organisation__environment", "connection__mandate__accountant")
    found = KeySet.objects.filter(app_key="".join(text.split())).select_related(
        "connection__app", *sides
    )
    for key_set in found:
        place = key_set.connection
        what = _("Old App Key") if key_set.ended_because else _("App Key")
        url = reverse("admin:connection", args=[place.pk])
        yield Hit(what, _name(place), url, place.organisation.environment, _accountant(place))


def _calls(text):
    """What a request ID names: a refused call of the API, or changes."""
    named = REQUEST_ID.fullmatch("".join(text.lower().split()))
    if not named:
        return
    text = f"req_{named[1] or named[2]}"
    sides = (
        "key_set__connection__organisation__environment",
        "key_set__connection__mandate__accountant",
        "key_set__connection__app",
    )
    for call in RefusedCall.objects.filter(request_id=text).select_related(*sides):
        place = call.key_set.connection
        sides = place.organisation.environment, _accountant(place)
        yield Hit(_("Refused call"), _name(place), _row(call), *sides)
    events = Event.objects.filter(request_id=text).select_related("environment")
    for event in events.newest_first()[:OF_EACH_KIND]:
        yield Hit(_("Activity"), str(event), _row(event), event.environment)


def _environments(text):
    found = searched(Environment.objects.all(), text, "name")
    for environment in found.order_by("name", "pk")[:OF_EACH_KIND]:
        url = reverse("admin:environment", args=[environment.pk])
        exact = environment.name.casefold() == text.casefold()
        yield Hit(_("Environment"), environment.name, url, environment, exact=exact)


def _organisations(text):
    squeezed = "".join(text.split())
    number = squeezed[2:] if squeezed[:2].isalpha() else squeezed  # "NL 71234561", as pages say it
    found = Organisation.objects.search(text) | Organisation.objects.search(squeezed)
    found |= Organisation.objects.filter(registration_number=number)
    for it in found.select_related("environment").by_name()[:OF_EACH_KIND]:
        whole = {it.name, it.organisation_id, it.registration_number}
        said = {text.casefold(), squeezed.casefold(), number.casefold()}
        exact = not said.isdisjoint(name.casefold() for name in whole)
        url = reverse("admin:environment", args=[it.environment_id])
        yield Hit(
            _("Organisation"), f"{it.name}, {it.organisation_id}", url, it.environment, exact=exact
        )


def _requests(text):
    found = AuthorisationRequest.objects.of_client(text)
    found |= searched(AuthorisationRequest.objects.all(), text, "client_name")
    found = found.select_related("app", "accountant", "client")
    for it in found.order_by("-pk")[:OF_EACH_KIND]:
        words = f"{it} ({it.state.label})"
        yield Hit(_("Authorisation request"), words, _row(it), it.accountant, it.client)


def _mails(text, environment):
    number = Mail.objects.filter(to__iexact=text).count()
    if number:
        words = ngettext("%(count)s mail", "%(count)s mails", number) % {"count": number}
        yield Hit(_("Mails to this address"), words, _all("mail_mail", q=text), environment)


# An environment


@admin.site.page("environment/<int:pk>/", SEEN)
@require_safe
def environment(request, pk):
    """All that support needs about an environment, with the cause of trouble in words."""
    found = _found(Environment.objects.select_related("integrations_by"), pk)
    note_look(by=request.user, environments=[found], looked_at="accounts.environment")
    second_factor = Authenticator.objects.filter(user=OuterRef("pk"), type__in=SECOND_FACTORS)
    asked = AuthorisationRequest.objects.filter(
        Q(accountant=found) | Q(pk__in=AuthorisationRequest.objects.received_by(found).values("pk"))
    )
    mails = Mail.objects.filter(to__in=found.users.values("email"))
    happened = Event.objects.of(found).exclude(action=Action.SUPPORT_LOOKED)
    people = found.users.annotate(has_second_factor=Exists(second_factor))
    context = {
        "title": found.name,
        "environment": found,
        "can_be_opened": closing.can_be_opened(found),
        "people": _first(people.order_by("last_name", "pk")),
        "organisations": _first(found.organisations.by_name()),
        "connections": _connections(found),
        "requests": _first(asked.for_list().select_related("client").order_by("-pk")),
        "partnerships": _first(
            Partnership.objects.of(found)
            .select_related("accountant", "client")
            .order_by(F("ended_at").asc(nulls_first=True), "-pk")
        ),
        "calls": _refused_calls(Connection.objects.concerning(found)),
        "all_calls": _all(
            "connections_refusedcall", key_set__connection__organisation__environment=pk
        ),
        "mails": _first(mails.defer("body", "html").order_by("-created_at", "-pk")),
        "events": happened.newest_first()[:OF_EACH_KIND],
    }
    return _page(request, "environment", context)


@admin.site.page("environment/<int:pk>/open/", "accounts.change_environment")
@require_POST
def open_again(request, pk):
    """Let the people of a closed environment in again."""
    found = _found(Environment.objects, pk)
    reopen = partial(closing.reopen, environment=found, by=request.user)
    done = _("%(environment)s is open again.") % {"environment": found}
    return mended(request, reopen, done, "environment", pk)


def _connections(environment):
    """Those of both sides, the live ones first, each with calls with old keys in `old_calls`."""
    found = Connection.objects.concerning(environment).for_list()
    shown = _first(found.order_by(F("revoked_at").desc(nulls_first=True), "-pk"))
    calling = CallCount.objects.still_calling().filter(key_set__connection__in=shown["rows"])
    old = {
        line["key_set__connection"]: line
        for line in calling.order_by()
        .values("key_set__connection")
        .annotate(calls=Sum("calls"), last_at=Max("last_at"))
    }
    for connection in shown["rows"]:
        connection.old_calls = old.get(connection.pk)
    return shown


def _refused_calls(connections):
    """The last ones, each with its `place` and, where an access was missing, the `mark` of now."""
    found = RefusedCall.objects.filter(key_set__connection__in=connections)
    shown = _first(found.select_related("key_set").order_by("-at", "-pk"))
    ids = {call.key_set.connection_id for call in shown["rows"]}
    by_id = {it.pk: it for it in Connection.objects.for_list().filter(pk__in=ids)}
    further = {
        (it.connection_id, it.organisation.organisation_id): it
        for it in FurtherOrganisation.objects.filter(connection__in=ids).for_list()
    }
    functions = catalogue()
    for call in shown["rows"]:
        connection = by_id[call.key_set.connection_id]
        call.place = further.get((connection.pk, call.organisation), connection)
        call.connection = connection
        missing = call.code == SCOPE_MISSING.code and functions.get(call.function)
        call.mark = call.place.rights.mark(missing) if missing else None
    return shown


# A connection


@admin.site.page("connection/<int:pk>/", "connections.view_connection")
@require_safe
def connection(request, pk):
    """One connection: what must hold, its keys without their Secrets, its calls, and what can be done."""
    found = _found(Connection.objects.for_list(), pk)
    places = list(FurtherOrganisation.objects.of(found).for_list()[:SHOWN])
    sides = {found.organisation.environment, found.made_by}
    looked_at = Connection._meta.label_lower
    concerned = sides | {place.organisation.environment for place in places}
    note_look(by=request.user, environments=concerned, looked_at=looked_at, subject=found)
    calls = CallCount.objects.of(found)
    here = Event.objects.of(found.organisation.environment).about("connection", found.uuid)
    context = {
        "title": found.name,
        "connection": found,
        "sides": sorted(sides, key=lambda side: side.pk != found.organisation.environment_id),
        "lines": conditions_of_owner(found) if found.is_autopilot else conditions(found),
        "administrators": User.objects.administrators_of(found.organisation.environment)[
            :OF_EACH_KIND
        ],
        "places": places,
        "key_sets": found.key_sets.defer("secret_digest", "leak_tag")
        .select_related("created_by", "retired_by")
        .order_by("-version")[:SHOWN],
        "last_call": calls.filter(code="").order_by("-last_at").first(),
        "still_calling": calls.still_calling().aggregate(
            calls=Sum("calls", default=0), last_at=Max("last_at")
        ),
        "refusals": refusals_of(found, calls),
        "calls": _refused_calls([found]),
        "all_calls": _all("connections_refusedcall", key_set__connection=pk),
        "events": here.exclude(action=Action.SUPPORT_LOOKED).newest_first()[:OF_EACH_KIND],
    }
    return _page(request, "connection", context)


@admin.site.page("connection/<int:pk>/revoke/", "connections.change_connection")
@require_http_methods(["POST"])
def revoke(request, pk):
    """Revoke a connection for a customer who asks for it: first what stops, then the end (R18)."""
    found = _found(Connection.objects.for_list(), pk)
    if "confirmed" not in request.POST:
        words = {"app": found.app, "organisation": found.organisation}
        return question(
            request,
            title=_("Revoke %(connection)s?") % {"connection": found},
            sentences=[
                _(
                    "%(app)s can no longer send or receive invoices for %(organisation)s through this "
                    "connection, at once and for ever. It is the same for further organisations."
                )
                % words,
                _(
                    "What stays: invoices that were sent or received, and the history. Invoices that "
                    "were ready wait until somebody connects again."
                ),
                _("Ask the customer to revoke it in %(app)s too, or the software keeps calling.")
                % words,
            ],
            button=_("Revoke connection"),
            back=reverse("admin:connection", args=[pk]),
        )
    revoke = partial(services.revoke_by_support, connection=found, by=request.user)
    done = _("The connection is revoked. Those concerned are told.")
    return mended(request, revoke, done, "connection", pk)


def _page(request, name, context, status=200):
    context = {**admin.site.each_context(request), **context}
    return TemplateResponse(request, f"admin/{name}.html", context, status=status)


def _found(rows, pk):
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def _first(rows):
    """The first rows, and whether there are more."""
    found = list(rows[: SHOWN + 1])
    return {"rows": found[:SHOWN], "more": len(found) > SHOWN}


def _row(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _all(table, **query):
    return reverse(f"admin:{table}_changelist", query=query)


def _name(connection):
    return f"{connection.name}: {connection.app}, {connection.organisation}"


def _accountant(connection):
    return connection.mandate.accountant if connection.mandate else None
