"""Events about connections: written for all whom they concern (R36), read for "since when" (R28)."""

from datetime import datetime

from django.db.models import Q

from accounts.events.models import Action, Event
from accounts.events.services import record_for
from accounts.roles import Permission, allows
from connections.rights import Mark

READ_BACK = 200

# What takes somebody's place, so that the owner has nothing at all.
_PLACE_LOST = {
    Action.USER_BLOCKED,
    Action.USER_REMOVED,
    Action.USER_ROLE_CHANGED,
    Action.USER_ORGANISATIONS_CHANGED,
    Action.CLIENT_PERSON_REMOVED,
    Action.CLIENT_COLLEAGUES_CHANGED,
    Action.PARTNERSHIP_ENDED,
}
_LOST_BY = {
    "app": {Action.OWN_APP_CHANGED},
    "key": {Action.CONNECTION_CHANGED, Action.CONNECTION_TAKEN_OVER},
    "owner": {Action.USER_ACCESSES_CHANGED},
    "partnership": {Action.CLIENT_FUNCTIONS_CHANGED},
}


def record_about(connection, action, *, by, **details):
    """Write what happened to `connection` for the organisation, and for the accountant who made it."""
    organisation = connection.organisation
    sides = [organisation.environment, connection.made_by]
    record_for(sides, action, by=by, subject=connection, organisation=organisation, **details)


def with_since(connection, marks) -> list[tuple[Mark, datetime | None]]:
    """Each mark with the time since when a function that the app asks for is off; None for others (R28).

    Read from the newest events of everything that gives rights; what was never there is off since the
    connection was made. Needs `with_owner_standing`. One query, none when nothing is off.
    """
    off = {mark for mark in marks if mark.app and not mark.allowed}
    events = list(_events_about(connection)[:READ_BACK]) if off else []
    return [(mark, _since(mark, connection, events) if mark in off else None) for mark in marks]


def _events_about(connection):
    subjects = [
        connection.event_subject,
        connection.app.event_subject,
        connection.owner.event_subject,
    ]
    if connection.mandate:
        subjects.append(connection.mandate.event_subject)
    about = Q(pk__in=[])
    for kind, ref, _name in subjects:
        about |= Q(subject_kind=kind, subject_ref=str(ref))
    wanted = set.union(_PLACE_LOST, *_LOST_BY.values())
    sides = {connection.organisation.environment_id, connection.made_by.pk}
    return (
        Event.objects.filter(about, environment__in=sides, action__in=wanted)
        .select_related("organisation")
        .newest_first()
    )


def _since(mark, connection, events):
    part = mark.missing
    if part == "owner" and not connection.owner_stands:
        took = (event for event in events if _took_the_place(event, connection))
    else:
        took = (event for event in events if _took(event, part, mark.function.name, connection))
    return next((event.at for event in took), connection.created_at)


def _took(event, part, name, connection):
    if event.action not in _LOST_BY[part]:
        return False
    if part == "owner" and event.organisation != connection.organisation:
        return False
    return name in event.details.get("removed", [])


def _took_the_place(event, connection):
    """Whether this event ended the owner's standing here."""
    if event.action not in _PLACE_LOST:
        return False
    if event.action == Action.USER_ROLE_CHANGED:
        return not allows(event.details.get("to", ""), Permission.MANAGE_KEYS)
    if event.action == Action.USER_ORGANISATIONS_CHANGED:
        return connection.organisation.organisation_id in event.details.get("removed", [])
    if event.action in (Action.CLIENT_PERSON_REMOVED, Action.CLIENT_COLLEAGUES_CHANGED):
        return str(connection.owner) in event.details.get("removed", [])
    return True
