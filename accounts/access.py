"""The gates in front of pages. Every view carries exactly one; tests/test_architecture.py proves it.

A gate stands on top of the other decorators, so that a stranger hears 404 whatever the method.
"""

from dataclasses import dataclass
from functools import wraps
from urllib.parse import quote

from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Exists, F, OuterRef
from django.http import Http404
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from accounts.adapter import SIGNED_IN_AT
from accounts.models import GivenReader, Membership, Organisation, Plan, User
from accounts.roles import OPEN_TO_PARTNERS, Permission, roles_that_allow
from portal.prepared import GivenText, Prepared
from portal.support import whom_to_ask

PEOPLE_NAMED = 5


@dataclass(frozen=True)
class Gate:
    """What a view asks of the person: the kind of gate, and the permission where one is needed."""

    kind: str
    permission: Permission | None = None
    while_blocked: bool = True  # whether it lets people of a blocked environment in (decision 33)


@dataclass(frozen=True)
class Line:
    """One line of the checklist "No access to the connection keys?" (R3)."""

    ok: bool
    label: str
    how: str = ""  # what to do where it is missing


def public_page(view):
    """For everybody, logged in or not."""
    return _stamped(login_not_required(view), Gate("public"))


def personal_page(view):
    """For the logged-in person about that person alone."""
    return _stamped(view, Gate("personal"))


def environment_page(permission, *, while_blocked=False):
    """For people of an environment whose role grants `permission`; others get the checklist with 403.

    While support blocks the environment they read why instead, unless `while_blocked` says that the page is
    about the person alone.
    """

    def decorator(view):
        @wraps(view)
        def gated(request, *args, **kwargs):
            if not request.user.environment_id:
                return render(request, "accounts/no_environment.html", status=403)
            if request.user.environment.is_blocked and not while_blocked:
                return _blocked_page(request)
            if not request.user.may(permission):
                return _checklist_page(request, permission)
            return view(request, *args, **kwargs)

        return _stamped(gated, Gate("environment", permission, while_blocked))

    return decorator


def accountant_page(permission):
    """Like `environment_page`, in environments that may send authorisation requests (R29)."""

    def decorator(view):
        @wraps(view)
        def gated(request, *args, **kwargs):
            if not request.user.environment.may_send_requests:
                return _checklist_page(request, permission)
            return view(request, *args, **kwargs)

        return environment_page(permission)(gated)

    return decorator


def organisation_page(permission, function=None):
    """For members of the organisation in the path whose role grants `permission`; the view gets it.

    People of a partner get in where `permission` is open to partners and the client allows them the API
    function `function`, when the page shows what that function would.
    Strangers get 404, colleagues from whom something is missing 403 with the checklist (R3, R4). People of a
    blocked environment read why, whatever they ask for.
    """

    def decorator(view):
        @wraps(view)
        def gated(request, *args, organisation, **kwargs):
            if request.user.environment_id and request.user.environment.is_blocked:
                return _blocked_page(request)
            organisation = _visible_organisation(request.user, organisation)
            if not all(
                line.ok for line in _lines(request.user, permission, organisation, function)
            ):
                return _checklist_page(request, permission, organisation, function)
            request.organisation = organisation
            return view(request, *args, organisation=organisation, **kwargs)

        return _stamped(gated, Gate("organisation", permission, while_blocked=False))

    return decorator


def recent_login_required(view):
    """Ask for the password again when the last proof of identity is older than 10 minutes (R55).

    What was posted is kept and replayed after the answer, so nothing typed is lost.
    """

    @wraps(view)
    def checked(request, *args, **kwargs):
        records = get_authentication_records(request, request.user)
        proofs = [request.session.get(SIGNED_IN_AT, 0), *(record["at"] for record in records)]
        if timezone.now().timestamp() - max(proofs) > settings.RECENT_LOGIN_SECONDS:
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return checked


def _stamped(view, gate):
    view.gate = gate
    return view


def without_nul(text):
    """What stands in an address, to be looked for; with a NUL it is 404: PostgreSQL would not even look."""
    if "\0" in text:
        raise Http404
    return text


def _in_sight():
    reader = GivenReader()
    own = Membership.objects.filter(organisation=OuterRef("pk"), user=reader)
    return (
        Organisation.objects.in_sight_of(reader)
        .select_related("environment")
        .annotate(is_member=Exists(own), let_do=F("let_in__functions"), mandate=F("let_in__uuid"))
        .filter(organisation_id=GivenText("organisation_id"))
        .order_by("pk")[:1]
    )


_IN_SIGHT = Prepared(_in_sight)  # every page of an organisation asks it


def _visible_organisation(user, organisation_id):
    if user.environment_id is None or not user.is_active:
        raise Http404
    organisation = _IN_SIGHT.first(
        user=user.pk,
        environment=user.environment_id,
        organisation_id=without_nul(organisation_id),
    )
    if organisation is None:
        raise Http404
    return organisation


def comes_from_partner(user, organisation):
    """Whether `user` is there through a partnership, and not at home."""
    return user.environment_id != organisation.environment_id


def keys_checklist(user, *, request_line, organisation=None) -> list[Line]:
    """The three lines that an accountant needs to reach a client's keys: request, role, member (R3).

    `organisation` is the client's, once it has let the accountant in; it carries `is_member`.
    """
    people = Administrators(user.environment)
    lines = [request_line, _role_line(user, Permission.MANAGE_KEYS, people)]
    if organisation is not None:
        lines.append(_membership_line(organisation, people))
    return lines


class Administrators:
    """The administrators of an environment as letters to them; looked up only when something is missing."""

    def __init__(self, environment):
        self.environment = environment

    def __str__(self):
        return format_html_join(
            ", ",
            "{} ({})",
            (
                (user.get_full_name(), _letter_to(user, user.email))
                for user in User.objects.administrators_of(self.environment)[:PEOPLE_NAMED]
            ),
        )

    __html__ = __str__


def _lines(user, permission, organisation, function):
    """What the page needs, each line with its state."""
    people = Administrators(user.environment)
    lines = [_role_line(user, permission, people)]
    if permission == Permission.SEND_REQUESTS:
        lines += _accountant_lines(user.environment)
    if organisation is None:
        return lines
    if comes_from_partner(user, organisation):
        lines.insert(0, _partnership_line(organisation))
        lines += _client_lines(organisation, permission, function)
    return [*lines, _membership_line(organisation, people)]


def integrations_lines(user, environment, *sides) -> list[Line]:
    """What `environment` lacks for keys that it pays for, each with whom to ask; empty when nothing (R8).

    `sides` are the others that must not be blocked for that. Of another environment than the user's, people
    are not named.
    """
    lines = [
        Line(
            False,
            _("Support has blocked %(environment)s") % {"environment": side.name},
            _("Wait until support unblocks it."),
        )
        for side in dict.fromkeys([environment, *sides])
        if side.is_blocked
    ]
    if not environment.plan_includes_integrations:
        words = {"environment": environment.name, "plan": environment.get_plan_display()}
        label = (
            _("The plan of %(environment)s is %(plan)s; connections need Basic or higher") % words
        )
        how = _("Support changes the plan: %(support)s.") % {"support": whom_to_ask()}
        lines.append(Line(False, label, how))
    elif environment.integrations_at is None:
        label = _("%(environment)s has not activated the Integrations service yet") % {
            "environment": environment.name
        }
        lines.append(Line(False, label, _who_activates(user, environment)))
    return lines


def _who_activates(user, environment):
    if user.environment_id != environment.pk:
        return _("An administrator of %(environment)s can activate it, under Environment.") % {
            "environment": environment.name
        }
    url = reverse("accounts:integrations")
    if user.may(Permission.MANAGE_INTEGRATIONS):
        return format_html('<a href="{}">{}</a>', url, _("Read the terms and activate it"))
    how = _("An administrator can activate it: {people}.")
    return format_html(how, people=Administrators(environment))


def _blocked_page(request):
    context = {"environment": request.user.environment, "support": whom_to_ask()}
    return render(request, "accounts/blocked.html", context, status=403)


def _checklist_page(request, permission, organisation=None, function=None):
    environment = request.user.environment
    context = {
        "lines": _lines(request.user, permission, organisation, function),
        "about_keys": permission == Permission.MANAGE_KEYS,
        "what": permission.label,
        "colleagues": _either(
            User.objects.who_may(permission, environment, organisation)[:PEOPLE_NAMED]
        ),
        "user_page": _page_that_helps(request.user, organisation),
    }
    return render(request, "accounts/no_access.html", context, status=403)


def _role_line(user, permission, administrators):
    words = {
        "role": user.get_role_display(),
        "what": permission.label,
        "roles": _(" or ").join(str(role.label) for role in roles_that_allow(permission)),
    }
    label = _("Your role is %(role)s; needed to %(what)s: %(roles)s.") % words
    if user.may(permission):
        return Line(True, label)
    how = format_html(_("An administrator can change your role: {people}."), people=administrators)
    return Line(False, label, how)


def _accountant_lines(environment):
    ask = {"support": whom_to_ask()}
    plan = environment.plan != Plan.INVOICE_PORTAL
    return [
        Line(
            environment.accountant_stands,
            _("%(environment)s may send authorisation requests")
            % {"environment": environment.name},
            ""
            if environment.accountant_stands
            else _("Support gives this right: %(support)s.") % ask,
        ),
        Line(
            plan,
            _("Your plan is %(plan)s; needed: Basic or higher")
            % {"plan": environment.get_plan_display()},
            "" if plan else _("Support changes the plan: %(support)s.") % ask,
        ),
    ]


def _partnership_line(organisation):
    return Line(
        True,
        _("The authorisation request of %(organisation)s is Active")
        % {"organisation": organisation.name},
    )


def _client_lines(organisation, permission, function):
    """What only the client can give to people of a partner."""
    words = {"client": organisation.environment.name}
    if permission not in OPEN_TO_PARTNERS:
        return [Line(False, _("Only people of %(client)s can do this") % words)]
    if function and function.name not in organisation.let_do:
        words["what"] = function.label
        label = _("%(client)s does not allow you to %(what)s") % words
        return [Line(False, label, _("An administrator there can change that under Partners."))]
    return []


def _membership_line(organisation, administrators):
    name = {"organisation": organisation.name}
    if organisation.is_member:
        return Line(True, _("You are a member of %(organisation)s") % name)
    how = format_html(_("An administrator can add you: {people}."), people=administrators)
    return Line(False, _("You are not a member of %(organisation)s") % name, how)


def _either(users):
    """Name these people: "A, B or C", or nobody."""
    links = [_letter_to(user, user.get_full_name()) for user in users]
    first = format_html_join(", ", "{}", ((link,) for link in links[:-1]))
    return format_html("{}{}{}", first, _(" or ") if first else "", links[-1]) if links else ""


def _letter_to(user, text):
    return format_html('<a href="mailto:{}">{}</a>', quote(user.email, safe="@"), text)


def _page_that_helps(user, organisation):
    """An administrator who is no member can help themselves."""
    if organisation is None or organisation.is_member or not user.may(Permission.MANAGE_USERS):
        return None
    if comes_from_partner(user, organisation):
        return reverse("connections:client", kwargs={"mandate": organisation.mandate})
    return user.get_absolute_url()
