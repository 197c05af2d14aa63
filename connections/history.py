"""Events about connections, in the activity log of every side that they concern (R36)."""

from accounts.events.services import record_for


def record_about(connection, action, *, by, **details):
    """Write what happened to `connection` for the organisation, and for the accountant who made it."""
    organisation = connection.organisation
    sides = [organisation.environment, connection.made_by]
    record_for(sides, action, by=by, subject=connection, organisation=organisation, **details)
