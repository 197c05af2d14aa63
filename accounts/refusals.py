"""How a service says no: each named after the situation, each with a sentence for the person."""

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from portal.support import whom_to_ask


class Refused(Exception):
    """A service says no; the text says why, and what to do, to the person who asked."""


class LastAdministrator(Refused):
    def __init__(self):
        super().__init__(
            _(
                "This is the last administrator. Make somebody else administrator first, then try again."
            )
        )


class LastAdministratorLeaves(Refused):
    """The last administrator may go only where nobody and nothing is left behind."""

    def __init__(self):
        super().__init__(
            _(
                "You are the last administrator, and your environment still has other people, "
                "organisations or clients. Make somebody else administrator first, or close the "
                "environment."
            )
        )


class ClosedMeanwhile(Refused):
    def __init__(self):
        super().__init__(_("This environment has been closed already."))


class NothingToOpen(Refused):
    """The environment is not closed, or its people have been forgotten."""

    def __init__(self, environment):
        super().__init__(
            _(
                "%(environment)s cannot be opened again: it is not closed, or its people have been "
                "forgotten."
            )
            % {"environment": environment.name}
        )


class EnvironmentBlocked(Refused):
    """Support has blocked `environment`: nothing goes out of it or into it now."""

    def __init__(self, environment):
        super().__init__(
            _("Support has blocked %(environment)s, so this is not possible now. Ask %(support)s.")
            % {"environment": environment.name, "support": whom_to_ask()}
        )


def refuse_blocked(*environments) -> None:
    """Raise EnvironmentBlocked for the first of `environments` that is blocked; staff have none."""
    for environment in environments:
        if environment and environment.is_blocked:
            raise EnvironmentBlocked(environment)


class BlockedAlready(Refused):
    def __init__(self, environment):
        super().__init__(
            _("%(environment)s is blocked already. To change the reason, unblock it first.")
            % {"environment": environment.name}
        )


class NotBlocked(Refused):
    def __init__(self, environment):
        super().__init__(
            _("%(environment)s is not blocked: somebody has unblocked it already.")
            % {"environment": environment.name}
        )


class AddressInUse(Refused):
    def __init__(self, email):
        super().__init__(
            _("%(email)s has a login already and cannot be invited.") % {"email": email}
        )


class RegistrationNumberInUse(Refused):
    def __init__(self):
        super().__init__(
            _(
                "This registration number is in use already. "
                "Ask a colleague to add you, or ask %(support)s."
            )
            % {"support": whom_to_ask()}
        )


class RemovedMeanwhile(Refused):
    def __init__(self):
        super().__init__(_("This user has been removed in the meantime."))


class PlanWithoutIntegrations(Refused):
    """The plan of the environment does not include the Integrations service (R8)."""

    def __init__(self, environment):
        words = {"environment": environment.name, "plan": environment.get_plan_display()}
        super().__init__(
            _(
                "The plan of %(environment)s is %(plan)s, which does not include the Integrations "
                "service. Support changes the plan: %(support)s."
            )
            % {**words, "support": whom_to_ask()}
        )


class TermsChanged(Refused):
    def __init__(self):
        super().__init__(
            _("There is a newer version of the terms. Read it below, then activate again.")
        )


class ChangedMeanwhile(Refused):
    """Somebody else changed the same thing after this person opened the form."""

    def __init__(self):
        super().__init__(
            _(
                "Somebody else changed this in the meantime. Below is how it is now: "
                "make your change again, if it is still needed."
            )
        )


class InvitationDead(Refused):
    def __init__(self):
        super().__init__(
            _(
                "This invitation has expired, was replaced by a newer one, or has been used. "
                "Ask for a new one."
            )
        )


class NotStaff(Refused):
    def __init__(self):
        super().__init__(_("This is no member of support, or the access has ended already."))


class AccessOfOneself(Refused):
    def __init__(self):
        super().__init__(
            _("You cannot end your own access. Ask a colleague who may give access to the desk.")
        )


class SentAlready(Refused):
    """A mail that a mail server took is not sent again: a link or code in it may be dead by now."""

    def __init__(self, mail):
        at = date_format(localtime(mail.sent_at), "DATETIME_FORMAT")
        super().__init__(
            _(
                "The mail server took this mail on %(at)s. It is not sent again: a link or a code in it may "
                "have ended. Ask the person to look among unwanted mail, then to ask for a new one where "
                "this one was asked for."
            )
            % {"at": at}
        )


class TriedSoon(Refused):
    def __init__(self):
        super().__init__(_("This mail is tried within two minutes. Wait, then look again."))
