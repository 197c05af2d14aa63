"""How a service says no: each named after the situation, each with a sentence for the person."""

from django.utils.translation import gettext as _

from accounts.refusals import Refused


class AlreadyCreated(Refused):
    """These keys were made by an earlier click on the same form; `key_set` is what it made, or None."""

    def __init__(self, key_set=None):
        self.key_set = key_set
        super().__init__(
            _("These keys have been created already. Their Secret cannot be shown again.")
        )


class AlreadyConnected(Refused):
    """The organisation has a live connection with this package and administration (R22).

    `place` is that connection, or one of another organisation that is used for this one too.
    """

    def __init__(self, place):
        self.connection = getattr(place, "connection", place)
        super().__init__(
            _(
                "%(organisation)s is connected to %(app)s already. "
                "Create new keys for that connection instead."
            )
            % {"organisation": place.organisation.name, "app": place.app.name}
        )


class CannotOwn(Refused):
    """A key would live on somebody who may not manage connections of that organisation (R7)."""

    def __init__(self, user, organisation):
        super().__init__(
            _(
                "%(user)s may not own connections of %(organisation)s: that takes the role Advanced user "
                "or Administrator, and membership."
            )
            % {"user": user.get_full_name(), "organisation": organisation.name}
        )


class MoreThanYours(Refused):
    """Whoever sees a Secret, or widens what it opens, has every function of it; `missing` are their names."""

    def __init__(self, missing):
        self.missing = sorted(missing)
        super().__init__(
            _(
                "These keys would open more than you may do yourself: %(functions)s. Leave that out, or ask "
                "an administrator to give you these accesses."
            )
            % {"functions": ", ".join(self.missing)}
        )


class IntegrationsOff(Refused):
    """The environment that pays has no Integrations service now (R8)."""

    def __init__(self, environment):
        super().__init__(
            _(
                "%(environment)s has no Integrations service now. An administrator there activates it, "
                "under Environment."
            )
            % {"environment": environment.name}
        )


class NameTaken(Refused):
    def __init__(self, name):
        super().__init__(_("You have an Own App called %(name)s already.") % {"name": name})


class NoOwnAppsHere(Refused):
    """An Own App belongs to the organisation's environment; a partner's people add none."""

    def __init__(self, organisation):
        super().__init__(
            _("Only people of %(environment)s can add an Own App there.")
            % {"environment": organisation.environment.name}
        )


class Ended(Refused):
    def __init__(self):
        super().__init__(
            _("This connection is revoked and never comes back. Create a new connection.")
        )


class NotPlanned(Refused):
    """Keys that are lost or known to a stranger end now: nothing lets them live on (R17)."""

    def __init__(self):
        super().__init__(
            _(
                "Then the old keys must end now, not later. Create new keys instead: the old ones stop in "
                "the same instant."
            )
        )


class StillRetiring(Refused):
    """There is an older set already, and there is at most one (R17)."""

    def __init__(self, key_set):
        super().__init__(
            _(
                "The keys %(app_key)s of an earlier change still work. End those first, then rotate again."
            )
            % {"app_key": key_set.app_key}
        )


class NotRetiring(Refused):
    def __init__(self):
        super().__init__(_("There are no older keys that still work: they have ended already."))


class NoKeys(Refused):
    def __init__(self):
        super().__init__(_("The keys of this connection have ended. Create new keys."))


class WithoutKeys(Refused):
    """Autopilot pushes: there are no keys that could be lost or changed."""

    def __init__(self):
        super().__init__(_("Autopilot works without keys."))


class NotPaused(Refused):
    def __init__(self):
        super().__init__(_("This connection is not paused: somebody has resumed it already."))


class PausedAlready(Refused):
    def __init__(self):
        super().__init__(_("This connection is paused already."))


class ConfirmFirst(Refused):
    """The organisation has a live connection to that administration with another package (R22)."""

    def __init__(self, connections):
        self.connections = connections
        super().__init__(
            _(
                "%(connections)s works in the same administration already. Two active connections to the "
                "same administration can conflict: invoices arrive or are booked twice. Name another "
                "administration, revoke the other connection first, or confirm that you want both."
            )
            % {"connections": ", ".join(f"{it.name} ({it.app})" for it in connections)}
        )


class SameAdministration(Refused):
    """One connection books for one organisation only in an administration (R15)."""

    def __init__(self, organisation):
        super().__init__(
            _(
                "This connection works in that administration already, for %(organisation)s. Each "
                "organisation needs an administration of its own in the package."
            )
            % {"organisation": organisation.name}
        )


class AddedAlready(Refused):
    def __init__(self, organisation):
        super().__init__(
            _("This connection is used for %(organisation)s already.")
            % {"organisation": organisation.name}
        )


class LastOrganisation(Refused):
    """Without any organisation a connection is nothing."""

    def __init__(self):
        super().__init__(
            _("This is the only organisation of the connection. Revoke the connection instead.")
        )


class NotUsableThere(Refused):
    """An Own App is private to its environment (R11)."""

    def __init__(self, app, organisation):
        super().__init__(
            _("%(app)s is an Own App; it cannot be used for %(organisation)s.")
            % {"app": app.name, "organisation": organisation.name}
        )


class NotTheOwner(Refused):
    """Further organisations are the owner's to add: the keys live on the owner's rights there (R15)."""

    def __init__(self, owner):
        super().__init__(
            _("Only the owner of the connection, %(owner)s, can add organisations to it.")
            % {"owner": owner.get_full_name()}
        )


class OwnerGone(Refused):
    def __init__(self, owner):
        super().__init__(
            _(
                "The owner of this connection, %(owner)s, may not manage connections here any more. "
                "An administrator can take it over; it gets new keys then."
            )
            % {"owner": owner.get_full_name()}
        )


class OwnsAlready(Refused):
    """The connection lives on that person, who may own it: there is nothing to take over."""

    def __init__(self, owner):
        super().__init__(
            _("%(owner)s owns this connection already. For new keys, create new keys.")
            % {"owner": owner.get_full_name()}
        )


class NotRevoked(Refused):
    def __init__(self):
        super().__init__(_("Only a revoked connection can be deleted. Revoke it first."))


class OutOfReach(Refused):
    """The person has no way into the organisation any more: removed, or the partnership has ended."""

    def __init__(self, organisation):
        super().__init__(
            _("You have no access to %(organisation)s any more. Nothing was changed.")
            % {"organisation": organisation.name}
        )


class NotYours(Refused):
    """A partner's people change only the connections that were made through their partnership."""

    def __init__(self, connection):
        super().__init__(
            _("This connection was made by %(environment)s; only its people can change it.")
            % {"environment": connection.made_by.name}
        )


class NobodyToAsk(Refused):
    def __init__(self):
        super().__init__(_("There is nobody here to ask: it is allowed by now, or for support."))


class AskedAlready(Refused):
    def __init__(self):
        super().__init__(_("Somebody asked for this less than a day ago. They have the mail."))
