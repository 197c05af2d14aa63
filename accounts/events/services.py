"""Writing the activity log."""

from django.db import transaction

from accounts.events.models import Event
from portal.logs import current_request_id


def record_for(sides, action, **event):
    """Write the same event into the log of each of these environments, once (R36); see `record`."""
    for side in dict.fromkeys(sides):
        record(action, environment=side, **event)


def record(action, *, by, subject, environment, organisation=None, **details):
    """Write one event into the transaction of the change it reports; outside of one it refuses (R53).

    `by` is the acting user, or None for the system. `subject` is the thing that changed: it says itself,
    by `event_subject`, its kind, its reference and its name. `details` are plain values, never a Secret.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An event belongs into the transaction of its change.")
    kind, ref, name = subject.event_subject
    return Event.objects.create(
        environment=environment,
        organisation=organisation,
        actor=by,
        actor_name=by.get_full_name() if by else "",
        action=action,
        subject_kind=kind,
        subject_ref=str(ref),
        subject_name=str(name)[:300],
        details=details,
        request_id=current_request_id.get().lstrip("-"),
    )
