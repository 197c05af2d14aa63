"""Events in plain words, in the language of the reader."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

# What the details of events are called, and what their codes mean. Whatever is not here is shown as it is.
NAMES = {
    "access": lazy("access"),
    "added": lazy("added"),
    "again": lazy("sent again"),
    "app_key": lazy("App Key"),
    "changed": lazy("changed"),
    "first_name": lazy("first name"),
    "functions": lazy("API functions"),
    "language": lazy("language"),
    "last_name": lazy("last name"),
    "name": lazy("name"),
    "receiving": lazy("receives invoices"),
    "removed": lazy("removed"),
    "role": lazy("role"),
    "sending": lazy("sends invoices"),
}
CODES = {
    "role": {
        "basic": lazy("Basic user"),
        "advanced": lazy("Advanced user"),
        "administrator": lazy("Administrator"),
    },
    "access": {
        "all": lazy("All accesses"),
        "owners": lazy("This user's accesses"),
        "chosen": lazy("Decide for yourself"),
    },
    "method": {
        "email_changed": lazy("e-mail address changed"),
        "email_confirm": lazy("e-mail address confirmed"),
        "email_deleted": lazy("e-mail address removed"),
        "password_changed": lazy("password changed"),
        "password_reset": lazy("password reset"),
        "password_set": lazy("password set"),
        "recovery_codes_generated": lazy("new recovery codes"),
        "totp_activated": lazy("authenticator app added"),
        "totp_deactivated": lazy("authenticator app removed"),
        "webauthn_added": lazy("security key added"),
        "webauthn_removed": lazy("security key removed"),
    },
}


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
    if name in ("method", "role"):  # the value says it all
        return _value(name, value)
    return f"{_name(name)}: {_value(name, value)}"


def _name(name):
    return str(NAMES.get(name, name.replace("_", " ")))


def _value(name, value):
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return ", ".join(f"{_name(key)}: {_value(key, item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_name(item) if name == "changed" else str(item) for item in value)
    return str(CODES.get(name, {}).get(value, value))
