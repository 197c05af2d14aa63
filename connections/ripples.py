"""What a change of people's rights does to connections, for the question before it (accounts.ripples)."""

from itertools import chain

from accounts import ripples
from accounts.models import User
from connections.models import Connection, FurtherOrganisation
from connections.models.standing import Standing


def look(about) -> dict[Standing, frozenset[str]]:
    """What the keys of the live connections open that live on a user, or are of an environment or mandate.

    Of a connection that is used for several organisations, for each of them.
    """
    kinds = (Connection.objects, FurtherOrganisation.objects)
    concerned = chain(*(kind.live().concerning(about).for_list() for kind in kinds))
    return {place: place.opened for place in concerned if place.opened}


def whom(losses) -> dict[User, list[ripples.Loss]]:
    """Whom losses concern: the owner and the administrators of both sides, each with those that do (R54).

    Not to an owner whom the change itself has blocked or removed.
    """
    owners = User.objects.filter(is_active=True).in_bulk({loss.of.owner.pk for loss in losses})
    administrators = {}
    of_person = {}
    for loss in losses:
        connection = loss.of
        people = {owners[connection.owner.pk]} if connection.owner.pk in owners else set()
        for side in {connection.organisation.environment, connection.made_by}:
            if side not in administrators:
                administrators[side] = set(User.objects.administrators_of(side))
            people |= administrators[side]
        for user in people:
            of_person.setdefault(user, []).append(loss)
    return of_person


def watch() -> None:
    """Called once, when the apps are ready."""
    ripples.watch(look=look, whom=whom)
