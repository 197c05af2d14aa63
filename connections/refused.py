"""Refused calls: what was missing, who can change it, and asking that person (R44)."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.events.models import Action
from accounts.mail.services import tell
from accounts.models import User
from accounts.roles import Permission
from connections import errors
from connections.history import record_about
from connections.models import Connection, RefusedCall, function_named
from connections.refusals import AskedAlready, NobodyToAsk

ASKED_AGAIN_AFTER = timedelta(days=1)
PEOPLE_ASKED = 5


def connection_of(refused) -> Connection:
    """The connection whose keys called, with all that its rights need; one query."""
    return Connection.objects.for_list().get(pk=refused.key_set.connection_id)


def mark_of(refused, connection):
    """How the function stands now that was missing then; None when something else was wrong."""
    function = refused.code == errors.SCOPE_MISSING.code and function_named(refused.function)
    return connection.rights.mark(function) if function else None


def who_can_change(refused, connection) -> list[User]:
    """The people who can change what refused the call, the owner of the keys first; at most 5.

    Nobody when it is for support to change, for the software, or when it is allowed by now.
    """
    place, at_home = _place(refused, connection), connection.organisation.environment
    match place:
        case "app" if not connection.app.is_generic:
            people = User.objects.who_may(Permission.MANAGE_APPS, connection.app.environment)
        case "key" | "keys":
            people = User.objects.who_may(
                Permission.MANAGE_KEYS, connection.made_by, connection.organisation
            )
        case "owner":
            people = User.objects.administrators_of(connection.made_by)
        case "service":
            people = User.objects.administrators_of(connection.paid_by)
        case "partnership" | "organisation":
            people = User.objects.administrators_of(at_home)
        case _:
            return []
    found = list(people.order_by("last_name", "pk")[: PEOPLE_ASKED * 4])
    return sorted(found, key=lambda user: user != connection.owner)[:PEOPLE_ASKED]


@transaction.atomic
def ask(*, refused, by) -> list[User]:
    """Mail those who can change it that `by` asks them to, and answer who they are (R44).

    Once a day for each refused call. Raises NobodyToAsk and AskedAlready.
    """
    refused = (
        RefusedCall.objects.select_for_update(no_key=True, of=["self"])
        .select_related("key_set")
        .get(pk=refused.pk)
    )
    connection = connection_of(refused)
    people = [user for user in who_can_change(refused, connection) if user != by]
    if not people:
        raise NobodyToAsk
    if refused.asked_at and refused.asked_at > timezone.now() - ASKED_AGAIN_AFTER:
        raise AskedAlready
    refused.asked_at = timezone.now()
    refused.save(update_fields=["asked_at"])
    tell(
        "change_asked",
        people,
        refused=refused,
        connection=connection,
        by=by,
        function=function_named(refused.function),
    )
    record_about(
        connection,
        Action.CHANGE_ASKED,
        by=by,
        request_id=refused.request_id,
        functions=[refused.function] if refused.function else [],
        people=[user.get_full_name() for user in people],
    )
    return people


def _place(refused, connection):
    """Where it is to be changed: a part of R5, or "keys", "service", "organisation", or "" for elsewhere."""
    mark = mark_of(refused, connection)
    if mark:
        return mark.missing
    if refused.code == errors.INVALID_KEYS.code:
        return "" if refused.reason == "expired" else "keys"
    return _PLACES.get(refused.code, "")


_PLACES = {
    errors.CONNECTION_SUSPENDED.code: "owner",
    errors.INTEGRATIONS_OFF.code: "service",
    errors.SENDING_OFF.code: "organisation",
    errors.ORGANISATION_NOT_COVERED.code: "keys",
}
