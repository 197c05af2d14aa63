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
    """The organisation has a live connection with this package and administration (R22)."""

    def __init__(self, connection):
        self.connection = connection
        super().__init__(
            _(
                "%(organisation)s is connected to %(app)s already. "
                "Create new keys for that connection instead."
            )
            % {"organisation": connection.organisation.name, "app": connection.app.name}
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
