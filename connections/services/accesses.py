"""What keys are given, and what people have (R26, R27)."""

import hashlib

from django.db import transaction

from accounts.events.models import Action
from accounts.events.services import record_for
from accounts.models import Membership, Organisation
from accounts.refusals import ChangedMeanwhile
from connections import rights
from connections.history import record_about
from connections.models import Access, Connection, catalogue
from connections.refusals import OwnerGone
from connections.services.standing import accesses_of, asked_for, locked, opened, refuse_more


@transaction.atomic
def change_accesses(*, connection, access, functions=(), seen=None, by) -> None:
    """Change what the key is given; acts with the next call, the keys stay the same (R26).

    Never more than the app asks and the owner has (R6), and nothing new that `by` lacks. `seen` is the
    `accesses_seen` of the connection that `by` had before the eyes.
    Raises OutOfReach, NotYours, Ended, ChangedMeanwhile, OwnerGone, MoreThanYours.
    """
    connection = locked(connection, by)
    if seen is not None and seen != accesses_seen(connection):
        raise ChangedMeanwhile
    if not connection.owner_stands:
        raise OwnerGone(connection.owner)
    before, meant = opened(connection), asked_for(connection)
    connection.access = access
    connection.functions = functions_given(
        access, functions, connection.app, connection.organisation, connection.owner
    )
    connection.save(update_fields=["access", "functions"])
    refuse_more(connection, by, had=before)
    now = asked_for(connection)
    record_about(
        connection,
        Action.CONNECTION_CHANGED,
        by=by,
        access=access,
        added=sorted(now - meant),
        removed=sorted(meant - now),
    )


@transaction.atomic
def change_accesses_of_person(*, membership, accesses, seen=None, by) -> None:
    """Give a person exactly these API functions in an organisation; None gives all that the role brings.

    Keys that live on the person follow with their next call (R5). `seen` is the `accesses_seen` of the
    membership that `by` had before the eyes. Raises ChangedMeanwhile.
    """
    organisation = Organisation.objects.select_for_update(no_key=True).get(
        pk=membership.organisation_id
    )
    membership = (
        Membership.objects.select_for_update(no_key=True, of=["self"])
        .select_related("user__environment", "organisation__environment")
        .filter(pk=membership.pk)
        .first()
    )
    if membership is None or (seen is not None and seen != accesses_seen(membership)):
        raise ChangedMeanwhile
    before, membership.accesses = membership.accesses, accesses
    if before == accesses:
        return
    membership.save(update_fields=["accesses"])
    names = catalogue()
    sides = [organisation.environment, membership.user.environment]
    record_for(
        sides,
        Action.USER_ACCESSES_CHANGED,
        by=by,
        subject=membership.user,
        organisation=membership.organisation,
        added=[
            name for name in names if rights.has(accesses, name) and not rights.has(before, name)
        ],
        removed=[
            name for name in names if rights.has(before, name) and not rights.has(accesses, name)
        ],
    )


def accesses_seen(thing) -> str:
    """Name the accesses of a connection or a membership as they are now, for a form that changes them."""
    given = thing.functions if isinstance(thing, Connection) else thing.accesses
    kind = thing.access if isinstance(thing, Connection) else ""
    text = f"{kind}:{'all' if given is None else ','.join(sorted(given))}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def functions_given(access, functions, app, organisation, owner):
    """What is stored with the key: nothing for all accesses, which grow with the owner (R27)."""
    if access == Access.ALL:
        return []
    owners = accesses_of(owner, organisation)
    return rights.grantable(
        app.functions if access == Access.OWNERS else functions, app=app.functions, owner=owners
    )
