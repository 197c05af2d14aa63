"""What a change of people's rights does to connections, for the question before it (accounts.ripples)."""

from itertools import chain

from accounts import ripples
from accounts.mail.services import tell
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


def tell_of_losses(losses, by) -> None:
    """Write to the owner and the administrators of both sides, one mail a person (R54).

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
    for user, of_user in of_person.items():
        tell("accesses_lost", [user], losses=of_user, by=by)


def watch() -> None:
    """Called once, when the apps are ready."""
    ripples.watch(look=look, tell=tell_of_losses)
