"""How Autopilot says no, each with a sentence for the person."""

from django.utils.translation import gettext as _

from accounts.refusals import Refused


class NoAutopilot(Refused):
    def __init__(self, app):
        super().__init__(_("%(app)s offers no Autopilot.") % {"app": app.name})


class KeysFirst(Refused):
    """Live key connections work in that administration; `places` are they (R22)."""

    def __init__(self, places):
        self.places = places
        super().__init__(
            _(
                "Software works in this administration with keys already. Beside Autopilot invoices would be "
                "booked twice, so revoke that connection first."
            )
        )


class MayNotReceive(Refused):
    def __init__(self, organisation):
        super().__init__(
            _(
                "You may not fetch the received invoices of %(organisation)s yourself, so Autopilot could "
                "push nothing for you. Ask an administrator to give you this access."
            )
            % {"organisation": organisation.name}
        )


class SecretShown(Refused):
    """This very form has made a signing secret before; `made` is it, or None for one of elsewhere."""

    def __init__(self, made=None):
        self.made = made
        super().__init__(
            _("This signing secret has been created already. It cannot be shown again.")
        )


class WithKeys(Refused):
    def __init__(self):
        super().__init__(_("This connection works with keys; it has no signing secret."))


class NothingIsPushed(Refused):
    """A suspended or blocked connection sends nothing, not even a test."""

    def __init__(self):
        super().__init__(
            _("Nothing is sent for this connection now. Its page says why, and what to do.")
        )


class TestedOften(Refused):
    def __init__(self):
        super().__init__(
            _("There were several tests in the last minute. Wait a minute, then test again.")
        )


class TestingAlready(Refused):
    def __init__(self):
        super().__init__(_("Other tests are running now. Try again in a few seconds."))
