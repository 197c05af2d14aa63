"""Events in plain words, in the language of the reader."""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# What the details of events are called, and what their codes mean. Whatever is not here is shown as it is.
NAMES = {
    "access": _("access"),
    "accountant_right": _("may send authorisation requests"),
    "added": _("added"),
    "address": _("Autopilot address"),
    "again": _("sent again"),
    "addresses": _("electronic addresses"),
    "app_key": _("App Key"),
    "as_of": _("state of"),
    "changed": _("changed"),
    "connections": _("connections"),
    "country": _("country"),
    "email": _("email"),
    "first_name": _("first name"),
    "functions": _("API functions"),
    "groups": _("groups"),
    "invoices": _("invoices"),
    "language": _("language"),
    "last_name": _("last name"),
    "lost_lines": _("lost lines"),
    "mails_off": _("mails"),
    "name": _("name"),
    "old": _("old App Key"),
    "organisations": _("organisations"),
    "reason": _("reason"),
    "plan": _("plan"),
    "receiving": _("receives invoices"),
    "registration_number": _("registration number"),
    "removed": _("removed"),
    "request_id": _("request ID"),
    "requests": _("requests"),
    "role": _("role"),
    "sending": _("sends invoices"),
    "terms": _("terms"),
    "until": _("until"),
}
FUNCTIONS_NAMED = 3  # of more, the number says enough
NAMED = 5
CODES = {
    "role": {
        "basic": _("Basic user"),
        "advanced": _("Advanced user"),
        "administrator": _("Administrator"),
    },
    "looked_at": {
        "search": _("found by a search"),
        "accounts.environment": _("environment"),
        "accounts.organisation": _("organisations"),
        "accounts.user": _("people"),
        "autopilot.attempt": _("Autopilot, without invoices"),
        "autopilot.autopilot": _("Autopilot, without invoices"),
        "autopilot.push": _("Autopilot, without invoices"),
        "connections.app": _("Own Apps"),
        "connections.connection": _("connections"),
        "connections.refusedcall": _("refused calls"),
        "events.event": _("activity log"),
        "invoices.invoice": _("invoices, without what they say"),
        "mail.mail": _("mails, without their text"),
        "partners.authorisationrequest": _("authorisation requests"),
        "partners.partnership": _("partnerships"),
    },
    "plan": {
        "invoice_portal": _("Invoice Portal (free)"),
        "basic": _("Basic"),
        "professional": _("Professional"),
        "enterprise": _("Enterprise"),
    },
    "access": {
        "all": _("All accesses"),
        "owners": _("This user's accesses"),
        "chosen": _("Decide for yourself"),
    },
    "status": {
        "received": _("Received"),
        "opened": _("Opened"),
        "paid": _("Paid"),
        "rejected": _("Rejected"),
    },
    "method": {
        "email_changed": _("email address changed"),
        "email_confirm": _("email address confirmed"),
        "email_deleted": _("email address removed"),
        "password_changed": _("password changed"),
        "password_reset": _("password reset"),
        "password_set": _("password set"),
        "recovery_codes_generated": _("new recovery codes"),
        "totp_activated": _("authenticator app added"),
        "totp_deactivated": _("authenticator app removed"),
        "webauthn_added": _("security key added"),
        "webauthn_removed": _("security key removed"),
    },
}


def login_change(method):
    """Say what changed about a login, later, in the language of whoever reads it."""
    return CODES["method"].get(method, method)


def in_words(details: dict) -> str:
    """Say the details of an event: `{"from": "basic", "to": "advanced"}` is "Basic user → Advanced user"."""
    details = dict(details)
    parts = []
    if "from" in details and "to" in details:
        parts.append(f"{_value('role', details.pop('from'))} → {_value('role', details.pop('to'))}")
    parts += [
        _detail(name, value) for name, value in details.items() if value not in ([], {}, "", None)
    ]
    return "; ".join(parts)


def _detail(name, value):
    if value is True:
        return _name(name)
    if name in ("changed", "looked_at", "method", "role", "status"):  # the value says it all
        return _value(name, value)
    return f"{_name(name)}: {_value(name, value)}"


def _short(items):
    """All of a few; of more the first ones and how many there are beside them."""
    if len(items) <= NAMED:
        return ", ".join(items)
    return gettext("%(items)s and %(count)s more") % {
        "items": ", ".join(items[:NAMED]),
        "count": len(items) - NAMED,
    }


def _name(name):
    return str(NAMES.get(name, name.replace("_", " ")))


def _moment(text):
    return date_format(localtime(datetime.fromisoformat(text)), "DATETIME_FORMAT")


def _value(name, value):
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if name in ("as_of", "until") and isinstance(value, str):
        return _moment(value)
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return f"{_value(name, value['from'])} → {_value(name, value['to'])}"
    if isinstance(value, dict):
        return ", ".join(f"{_name(key)}: {_value(key, item)}" for key, item in value.items())
    if name == "functions" and len(value) > FUNCTIONS_NAMED:
        return str(len(value))
    if isinstance(value, list):
        items = [_name(item) if name == "changed" else str(item) for item in value]
        return _short(items)
    return str(CODES.get(name, {}).get(value, value))
