"""All that the portal knows about a person, as one file for that person.

Every app says what it has with `part_of_export`. Never a Secret, a digest, a password or what login codes are
made from: parts name the fields that they give.
"""

import io
import json
import zipfile

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.events.models import Action, Event
from accounts.events.services import record
from accounts.mail.models import Mail

PARTS = {}


def part_of_export(name):
    """Register a finder for the file `name`.json: from the person to what is known, as plain values."""

    def register(finder):
        PARTS[name] = finder
        return finder

    return register


@transaction.atomic
def make(*, user) -> bytes:
    """A ZIP with a README and a JSON file for each part; that it was made is an event."""
    if user.environment:
        record(Action.DATA_DOWNLOADED, by=user, subject=user, environment=user.environment)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        context = {"user": user, "at": timezone.now(), "names": sorted(PARTS)}
        context["base_url"] = settings.PORTAL_BASE_URL
        archive.writestr("README.txt", render_to_string("accounts/export.txt", context))
        for name, find in sorted(PARTS.items()):
            text = json.dumps(find(user), cls=DjangoJSONEncoder, indent=1, ensure_ascii=False)
            archive.writestr(f"{name}.json", text)
    return file.getvalue()


@part_of_export("profile")
def _profile(user):
    names = ["first_name", "last_name", "email", "language", "role", "is_staff", "is_active"]
    times = ["date_joined", "joined_at", "last_login", "blocked_at"]
    profile = {name: getattr(user, name) for name in [*names, *times]}
    return profile | {"environment": user.environment and user.environment.name}


@part_of_export("email_addresses")
def _email_addresses(user):
    return list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary"))


@part_of_export("organisations")
def _organisations(user):
    return list(
        user.memberships.order_by("pk").values(
            "organisation__organisation_id", "organisation__name", "accesses", "created_at"
        )
    )


@part_of_export("sessions")
def _sessions(user):
    sessions = UserSession.objects.filter(user=user).order_by("pk")
    return list(sessions.values("ip", "user_agent", "created_at", "last_seen_at"))


@part_of_export("login_methods")
def _login_methods(user):
    password = [{"kind": "password"}] if user.has_usable_password() else []
    return password + [
        {
            "kind": authenticator.type,
            "name": str(authenticator),
            "created_at": authenticator.created_at,
            "last_used_at": authenticator.last_used_at,
        }
        for authenticator in Authenticator.objects.filter(user=user).order_by("pk")
    ]


@part_of_export("activity")
def _activity(user):
    """What the person did."""
    return [_line(event) | {"name": event.subject_name} for event in _events(actor=user)]


@part_of_export("activity_about_you")
def _activity_about(user):
    """What others did with the person's account."""
    about = _events(subject_kind="user", subject_ref=str(user.pk)).exclude(actor=user)
    return [_line(event) for event in about]


@part_of_export("invitations")
def _invitations(user):
    about = {"subject_kind": "user", "subject_ref": str(user.pk)}
    return {
        "received": [_line(event) for event in _events(action=Action.USER_INVITED, **about)],
        "sent": [
            _line(event) | {"to": event.subject_name}
            for event in _events(action=Action.USER_INVITED, actor=user)
        ],
    }


@part_of_export("mails")
def _mails(user):
    """What lies in the outbox: mails leave it 30 days after they were sent."""
    mails = Mail.objects.filter(to__in=user.proved_addresses, created_at__gte=user.date_joined)
    return list(mails.order_by("pk").values("to", "subject", "created_at", "sent_at"))


@part_of_export("notices")
def _notices(user):
    """What the bell shows: notices go after 90 days."""
    return list(user.notices.order_by("pk").values("title", "text", "created_at", "read_at"))


def _events(**condition):
    events = Event.objects.filter(**condition).select_related("environment", "organisation")
    return events.order_by("at", "pk")


def _line(event):
    return {
        "at": event.at,
        "action": event.action,
        "environment": event.environment and event.environment.name,
        "organisation": event.organisation and event.organisation.organisation_id,
        "kind": event.subject_kind,
        "details": event.details,
        "request_id": event.request_id,
    }
