"""How a service says no: each named after the situation, each with a sentence for the person."""

from django.utils.translation import gettext as _

from accounts.refusals import Refused
from portal.support import whom_to_ask


class NoAccountantRight(Refused):
    def __init__(self):
        super().__init__(
            _(
                "Your environment may not send authorisation requests now: it needs the accountant right "
                "and a paid plan. Ask %(support)s."
            )
            % {"support": whom_to_ask()}
        )


class CannotAnswerNow(Refused):
    """Support has blocked whom the request is for. That is said to its partners only, so not here."""

    def __init__(self, client_name):
        super().__init__(
            _("%(client)s cannot be asked now. Try again later, or phone them.")
            % {"client": client_name}
        )


class AlreadySent(Refused):
    """An earlier click on the same form sent `request`."""

    def __init__(self, request):
        self.request = request
        super().__init__(_("This request was sent already by an earlier click."))


class AlreadyAsked(Refused):
    """The same request is pending; it can be sent again or replaced (R33)."""

    def __init__(self, request):
        self.request = request
        super().__init__(
            _(
                "You asked %(client)s for %(app)s already; the request is pending. "
                "Send that one again, or replace it by this one."
            )
            % {"client": request.client_name, "app": request.app.name}
        )


class AlreadyClient(Refused):
    """The client allows all of this already."""

    def __init__(self, mandate):
        self.mandate = mandate
        super().__init__(
            _("%(client)s is your client already and allows all of this. Create the keys there.")
            % {"client": mandate.name}
        )


class OwnAddress(Refused):
    def __init__(self, email):
        super().__init__(
            _(
                "%(email)s belongs to a colleague of yours. Enter the address of somebody at the client."
            )
            % {"email": email}
        )


class OwnOrganisation(Refused):
    def __init__(self, organisation):
        super().__init__(
            _(
                "%(organisation)s is an organisation of your own environment. Nobody has to be asked: "
                "create its keys under Connections."
            )
            % {"organisation": organisation.name}
        )


class NothingAsked(Refused):
    def __init__(self, app):
        super().__init__(
            _("Tick at least one API function that %(app)s asks for.") % {"app": app.name}
        )


class TooManyMails(Refused):
    def __init__(self, most):
        super().__init__(
            _(
                "Your environment has sent %(most)s requests in the last 24 hours. That is the most; "
                "go on tomorrow."
            )
            % {"most": most}
        )


class TooManyMailsToOne(Refused):
    def __init__(self, email, most):
        super().__init__(
            _(
                "%(email)s has had %(most)s mails from you in the last 24 hours. Wait until tomorrow, "
                "or phone."
            )
            % {"email": email, "most": most}
        )


class NotPending(Refused):
    """The request was answered, withdrawn or replaced, or has expired."""

    def __init__(self, request):
        self.request = request
        super().__init__(
            _("This request is not pending any more; it is: %(state)s.")
            % {"state": request.state.label}
        )


class NotAddressed(Refused):
    """The person is neither the invited one nor an administrator of the same environment (R31)."""

    def __init__(self, request):
        super().__init__(
            _("This request is for %(email)s. That person can answer it, or an administrator.")
            % {"email": request.email}
        )


class RoleTooLow(Refused):
    def __init__(self):
        super().__init__(
            _("An advanced user or an administrator has to answer. Ask an administrator.")
        )


class NotYourOrganisation(Refused):
    """The environment has no organisation of this number, or the person is not its member."""

    def __init__(self, mandate):
        super().__init__(
            _(
                "The request is for the organisation with registration number %(number)s. "
                "Add it first, or let an administrator make you its member."
            )
            % {"number": mandate.registration_number}
        )


class NothingAllowed(Refused):
    def __init__(self):
        super().__init__(
            _(
                "Leave at least one line ticked. To allow nothing, decline the request or end the "
                "partnership."
            )
        )


class AccountantBlocked(Refused):
    def __init__(self, accountant):
        super().__init__(
            _("%(accountant)s cannot be let in now. Ask them to put that right.")
            % {"accountant": accountant.name}
        )


class PartnershipEnded(Refused):
    def __init__(self):
        super().__init__(_("This partnership has ended. A new request starts a new one."))


class KeptOut(Refused):
    def __init__(self, user, mandate):
        super().__init__(
            _("%(client)s has removed %(person)s; only people there can let %(person)s in again.")
            % {"client": mandate.name, "person": user}
        )
