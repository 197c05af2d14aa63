"""Refused calls: what was missing, who can change it, and asking that person (R44)."""

from datetime import timedelta
from itertools import chain

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from accounts.events.models import Action
from accounts.mail.services import tell
from accounts.models import Membership, User
from accounts.roles import Permission
from connections import errors
from connections.history import record_about
from connections.models import Connection, FurtherOrganisation, RefusedCall, function_named
from connections.models.standing import Standing
from connections.refusals import AskedAlready, NobodyToAsk
from connections.rights import has

ASKED_AGAIN_AFTER = timedelta(days=1)
PEOPLE_ASKED = 5


def connection_of(refused) -> Connection:
    """The connection whose keys called, with all that its rights need; one query."""
    return Connection.objects.for_list().get(pk=refused.key_set.connection_id)


def place_of(refused, connection) -> Standing:
    """The connection in the organisation that the call was about."""
    asked = refused.organisation
    if asked and asked != connection.organisation.organisation_id:
        further = FurtherOrganisation.objects.of(connection).for_list()
        return further.filter(organisation__organisation_id=asked).first() or connection
    return connection


def mark_of(refused, place):
    """How the function stands now that was missing then; None when something else was wrong."""
    function = refused.code == errors.SCOPE_MISSING.code and function_named(refused.function)
    return place.rights.mark(function) if function else None


def who_can_change(refused, place) -> dict[str, list[User]]:
    """What has to be changed, and for each the people who can, the owner of the keys first; at most 5.

    That is a part of R5, or "keys", "service" or "organisation". Nobody where it is for support or for the
    software to change; nothing when it is allowed by now.
    """
    return {what: _people(what, refused, place)[:PEOPLE_ASKED] for what in _what(refused, place)}


def _people(what, refused, place):
    match what:
        case "app" if not place.app.is_generic:
            people = User.objects.who_may(Permission.MANAGE_APPS, place.app.environment)
        case "key" | "keys":
            people = User.objects.who_may(Permission.MANAGE_KEYS, place.made_by, place.organisation)
        case "owner":
            people = User.objects.administrators_of(place.made_by)
        case "service":
            people = User.objects.administrators_of(place.paid_by)
        case "partnership" | "organisation":
            people = User.objects.administrators_of(place.organisation.environment)
        case _:
            return []
    found = people.order_by("last_name", "pk").annotate(accesses=_accesses(place))
    found = list(found[: PEOPLE_ASKED * 4])
    if what == "key":  # nobody gives a key what they lack themselves (R6)
        found = [user for user in found if has(user.accesses, refused.function)]
    return sorted(found, key=lambda user: user != place.owner)


def _accesses(place):
    here = Membership.objects.filter(user=OuterRef("pk"), organisation=place.organisation)
    return Subquery(here.values("accesses")[:1])


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
    place = place_of(refused, connection)
    asked = dict.fromkeys(chain.from_iterable(who_can_change(refused, place).values()))
    people = [user for user in asked if user != by]
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
        organisation=place.organisation,
        by=by,
        function=function_named(refused.function),
    )
    record_about(
        place,
        Action.CHANGE_ASKED,
        by=by,
        request_id=refused.request_id,
        functions=[refused.function] if refused.function else [],
        people=[user.get_full_name() for user in people],
    )
    return people


def _what(refused, place):
    mark = mark_of(refused, place)
    if mark:
        return mark.lacking
    if refused.code == errors.INVALID_KEYS.code:
        return [] if refused.reason == "token_expired" else ["keys"]
    return [_WHAT[refused.code]] if refused.code in _WHAT else []


_WHAT = {
    errors.CONNECTION_PAUSED.code: "keys",
    errors.CONNECTION_SUSPENDED.code: "owner",
    errors.INTEGRATIONS_OFF.code: "service",
    errors.SENDING_OFF.code: "organisation",
    errors.ORGANISATION_NOT_COVERED.code: "keys",
}
