"""Which mail belongs to which group, and why some groups cannot be switched off (R54)."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Group(TextChoices):
    KEYS = "keys", _("Keys and connections")
    CLIENTS = "clients", _("Authorisation requests and partnerships")
    WARNINGS = "warnings", _("Warnings before something ends")
    PEOPLE = "people", _("People of your company")
    LOGIN = "login", _("Your login and your role")
    STOPPED = "stopped", _("Keys and access that stopped")

    @property
    def says(self):
        """What its mails are about."""
        return SAYS[self]

    @property
    def is_always_sent(self):
        return self in REASONS

    @property
    def reason(self):
        """Why its mails cannot be switched off."""
        return REASONS[self]


SAYS = {
    Group.KEYS: _(
        "A connection was made, paused, resumed or revoked, keys were made or rotated, or a colleague asks "
        "you to change something."
    ),
    Group.CLIENTS: _(
        "A request was accepted, declined or has expired, or a client allows something else."
    ),
    Group.WARNINGS: _(
        "A request or keys expire soon, old keys end after a rotation, keys were never used, or software "
        "cannot be reached."
    ),
    Group.PEOPLE: _("Somebody of your company has joined or left, or it is open again."),
    Group.LOGIN: _(
        "Your password, your address or another way to sign in was changed, you have another role, or you "
        "were blocked."
    ),
    Group.STOPPED: _(
        "A Secret was found and ended, keys can do less or are suspended, a partnership ended, a client took "
        "away the access of somebody, a company closed, or support blocked one."
    ),
}
REASONS = {
    Group.LOGIN: _("Always sent, so that you notice at once what you did not do or expect."),
    Group.STOPPED: _("Always sent, because software stands still until somebody acts."),
}
GROUP_OF = {
    "autopilot_on": Group.KEYS,
    "autopilot_taken_over": Group.KEYS,
    "connection_created": Group.KEYS,
    "connection_paused": Group.KEYS,
    "connection_resumed": Group.KEYS,
    "connection_revoked": Group.KEYS,
    "keys_created": Group.KEYS,
    "keys_rotated": Group.KEYS,
    "keys_safe_to_end": Group.KEYS,
    "signing_secret_made": Group.KEYS,
    "organisation_added": Group.KEYS,
    "change_asked": Group.KEYS,
    "request_accepted": Group.CLIENTS,
    "request_declined": Group.CLIENTS,
    "request_passed_on": Group.CLIENTS,
    "requests_expired": Group.CLIENTS,
    "partnership_confirmed": Group.CLIENTS,
    "client_functions_changed": Group.CLIENTS,
    "requests_expire": Group.WARNINGS,
    "keys_expire": Group.WARNINGS,
    "overlap_ends": Group.WARNINGS,
    "connection_unused": Group.WARNINGS,
    "push_failing": Group.WARNINGS,
    "colleague_left": Group.PEOPLE,
    "environment_reopened": Group.PEOPLE,
    "user_joined": Group.PEOPLE,
    "login_changed": Group.LOGIN,
    "role_changed": Group.LOGIN,
    "user_blocked": Group.LOGIN,
    "accesses_lost": Group.STOPPED,
    "push_gone": Group.STOPPED,
    "environment_blocked": Group.STOPPED,
    "environment_closed": Group.STOPPED,
    "environment_unblocked": Group.STOPPED,
    "keys_found": Group.STOPPED,
    "organisation_removed": Group.STOPPED,
    "partnership_ended": Group.STOPPED,
    "client_person_removed": Group.STOPPED,
}
CHOSEN = [group for group in Group if not group.is_always_sent]
ALWAYS = [group for group in Group if group.is_always_sent]
