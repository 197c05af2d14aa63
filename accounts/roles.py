"""What the role of a person allows: the only table of people's rights (R1, R3)."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    BASIC = "basic", _("Basic user")
    ADVANCED = "advanced", _("Advanced user")
    ADMINISTRATOR = "administrator", _("Administrator")


class Permission(TextChoices):
    """Named after what a person may do; the label completes the sentence "needed to …"."""

    VIEW_ORGANISATION = "view_organisation", _("see an organisation")
    HANDLE_INVOICES = "handle_invoices", _("set the status of invoices")
    MANAGE_KEYS = "manage_keys", _("create, change and end connections")
    MANAGE_APPS = "manage_apps", _("create and change Own Apps")
    SEND_REQUESTS = "send_requests", _("ask clients for access")
    ANSWER_REQUESTS = "answer_requests", _("accept or decline authorisation requests")
    TAKE_OVER = "take_over", _("take over connections of somebody else")
    MANAGE_ORGANISATIONS = "manage_organisations", _("add and change organisations")
    MANAGE_USERS = "manage_users", _("invite, change and remove users")
    MANAGE_INTEGRATIONS = "manage_integrations", _("activate and end the Integrations service")
    MANAGE_PARTNERS = "manage_partners", _("end partnerships and decide who of a partner may enter")
    VIEW_ACTIVITY = "view_activity", _("read the activity log")
    CLOSE_ENVIRONMENT = "close_environment", _("close the environment")


_BASIC = frozenset({Permission.VIEW_ORGANISATION, Permission.HANDLE_INVOICES})
_ADVANCED = _BASIC | {
    Permission.MANAGE_KEYS,
    Permission.MANAGE_APPS,
    Permission.SEND_REQUESTS,
    Permission.ANSWER_REQUESTS,
}
_ADMINISTRATOR = _ADVANCED | {
    Permission.TAKE_OVER,
    Permission.MANAGE_ORGANISATIONS,
    Permission.MANAGE_USERS,
    Permission.MANAGE_INTEGRATIONS,
    Permission.MANAGE_PARTNERS,
    Permission.VIEW_ACTIVITY,
    Permission.CLOSE_ENVIRONMENT,
}
# What people of a partner may do in a client's organisation, so far as their own role allows it too.
OPEN_TO_PARTNERS = frozenset(
    {
        Permission.VIEW_ORGANISATION,
        Permission.HANDLE_INVOICES,
        Permission.MANAGE_KEYS,
        Permission.TAKE_OVER,
    }
)

GRANTS: dict[str, frozenset[Permission]] = {
    Role.BASIC: _BASIC,
    Role.ADVANCED: _ADVANCED,
    Role.ADMINISTRATOR: _ADMINISTRATOR,
}


def allows(role: str, permission: Permission) -> bool:
    """Say whether `role` grants `permission`; an unknown or empty role grants nothing."""
    return permission in GRANTS.get(role, frozenset())


def roles_that_allow(permission: Permission) -> list[Role]:
    """List the roles that grant `permission`, the lowest first."""
    return [role for role in Role if allows(role, permission)]
