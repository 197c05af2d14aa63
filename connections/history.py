"""Events about connections: written for all whom they concern (R36), read for "since when" (R28)."""

from datetime import datetime

from django.db.models import Q

from accounts.events.models import Action, Event
from accounts.events.services import record, record_for
from accounts.roles import Permission, allows
from connections.rights import Mark

READ_BACK = 200

_LOST_BY = {
    "app": {Action.OWN_APP_CHANGED},
    "key": {Action.CONNECTION_CHANGED, Action.CONNECTION_TAKEN_OVER},
    "owner": {Action.USER_ACCESSES_CHANGED},
    "partnership": {Action.CLIENT_FUNCTIONS_CHANGED},
}
_ROLE_LOST = {Action.USER_ROLE_CHANGED}
_PLACE_LOST = {
    Action.USER_ORGANISATIONS_CHANGED,
    Action.CLIENT_PERSON_REMOVED,
    Action.CLIENT_COLLEAGUES_CHANGED,
}


def record_at(place, action, *, by, **details):
    """Write what happened to a connection in one of its organisations, for that one and for who made it.

    The other organisations that it is used for learn nothing of it (R4).
    """
    organisation = place.organisation
    sides = [organisation.environment, place.made_by]
    record_for(sides, action, by=by, subject=place, organisation=organisation, **details)


def record_about(connection, action, *, by, **details):
    """Write what happened to `connection` for all whom it concerns.

    Those are the organisation, the accountant who made it, and the other organisations that it is used for.
    """
    record_at(connection, action, by=by, **details)
    if getattr(connection, "is_shared", False):
        for other in connection.further.select_related("organisation__environment"):
            side = {
                "environment": other.organisation.environment,
                "organisation": other.organisation,
            }
            record(action, by=by, subject=connection, **side, **details)


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
    wanted = set.union(_ROLE_LOST, _PLACE_LOST, *_LOST_BY.values())
    sides = {connection.organisation.environment_id, connection.made_by.pk}
    return (
        Event.objects.filter(about, environment__in=sides, action__in=wanted)
        .select_related("organisation")
        .newest_first()
    )


def _since(mark, connection, events):
    if mark.missing == "owner" and not connection.owner_stands:
        return min(_gone_since(connection, events), default=connection.created_at)
    took = (event.at for event in events if _took(event, mark, connection))
    return next(took, connection.created_at)


def _took(event, mark, connection):
    if event.action not in _LOST_BY[mark.missing]:
        return False
    if mark.missing == "owner" and event.organisation != connection.organisation:
        return False
    return mark.function.name in event.details.get("removed", [])


def _gone_since(connection, events):
    """Since when each thing holds that keeps the owner from owning here: block, removal, role, membership."""
    owner = connection.owner
    times = [owner.blocked_at, owner.removed_at]
    if not _may(owner.role):
        times.append(_newest(events, _ROLE_LOST, lambda details: not _may(details.get("to", ""))))
    if not connection.owner_is_member:
        here = {connection.organisation.organisation_id, str(owner)}
        times.append(
            _newest(events, _PLACE_LOST, lambda details: here & set(details.get("removed", [])))
        )
    return [time for time in times if time]


def _may(role):
    return allows(role, Permission.MANAGE_KEYS)


def _newest(events, actions, fits):
    found = (event.at for event in events if event.action in actions and fits(event.details))
    return next(found, None)
