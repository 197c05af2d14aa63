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
from django.db.models import Exists, OuterRef
from django.http import Http404
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from accounts.adapter import SIGNED_IN_AT
from accounts.models import Membership, Organisation, User
from accounts.roles import Permission, roles_that_allow

PEOPLE_NAMED = 5


@dataclass(frozen=True)
class Gate:
    """What a view asks of the person: the kind of gate, and the permission where one is needed."""

    kind: str
    permission: Permission | None = None


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


def environment_page(permission):
    """For people of an environment whose role grants `permission`; others get the checklist with 403."""

    def decorator(view):
        @wraps(view)
        def gated(request, *args, **kwargs):
            if not request.user.environment_id:
                return render(request, "accounts/no_environment.html", status=403)
            if not request.user.may(permission):
                return _checklist_page(request, permission)
            return view(request, *args, **kwargs)

        return _stamped(gated, Gate("environment", permission))

    return decorator


def organisation_page(permission):
    """For members of the organisation in the path whose role grants `permission`; the view gets it.

    Strangers get 404, colleagues from whom something is missing 403 with the checklist (R3, R4).
    """

    def decorator(view):
        @wraps(view)
        def gated(request, *args, organisation, **kwargs):
            organisation = _visible_organisation(request.user, organisation)
            if not (organisation.is_member and request.user.may(permission)):
                return _checklist_page(request, permission, organisation)
            request.organisation = organisation
            return view(request, *args, organisation=organisation, **kwargs)

        return _stamped(gated, Gate("organisation", permission))

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


def _visible_organisation(user, organisation_id):
    if "\0" in organisation_id:  # PostgreSQL would not even look
        raise Http404
    own = Membership.objects.filter(organisation=OuterRef("pk"), user=user)
    organisation = (
        Organisation.objects.select_related("environment")
        .annotate(is_member=Exists(own))
        .filter(organisation_id=organisation_id)
        .first()
    )
    if (
        organisation is None
        or user.environment_id != organisation.environment_id
        or not user.is_active
    ):
        raise Http404
    return organisation


def _checklist_page(request, permission, organisation=None):
    environment = request.user.environment
    administrators = format_html_join(
        ", ",
        "{} ({})",
        (
            (user.get_full_name(), _letter_to(user, user.email))
            for user in User.objects.administrators_of(environment)[:PEOPLE_NAMED]
        ),
    )
    lines = [_role_line(request.user, permission, administrators)]
    if organisation is not None:
        lines.append(_membership_line(organisation, administrators))
    context = {
        "lines": lines,
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
    if (
        organisation is not None
        and not organisation.is_member
        and user.may(Permission.MANAGE_USERS)
    ):
        return user.get_absolute_url()
    return None
