"""Whom people ask when they are stuck."""

from django.conf import settings
from django.utils.translation import gettext as _


def whom_to_ask() -> str:
    """The address of support, or who else it must be; both fit into "ask …"."""
    return settings.PORTAL_SUPPORT_EMAIL or _("the operator of this portal")
