"""The line of the checklist "No access to the connection keys?" that is about the request (R3)."""

from django.utils.translation import gettext as _

from accounts.access import Line
from partners.models import AuthorisationRequest

Status = AuthorisationRequest.Status


def request_line(mandate) -> Line:
    """Whether this client's authorisation request is Active, and what to do where it is not."""
    if mandate.is_active:
        return Line(True, _("The authorisation request is Active"))
    newest = mandate.requests.order_by("-pk").first()
    state = newest.state if newest else Status.WITHDRAWN
    label = _("The authorisation request is %(state)s; it must be Active") % {"state": state.label}
    if state == Status.PENDING:
        how = _("%(client)s has to accept. Send the request again, or phone.")
    else:
        how = _("Send %(client)s a new request.")
    return Line(False, label, how % {"client": mandate.name})
