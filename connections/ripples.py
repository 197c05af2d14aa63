"""What a change of people's rights does to connections, for the question before it (accounts.ripples)."""

from accounts import ripples
from accounts.mail.services import tell
from accounts.models import User
from connections.models import Connection


def look(about) -> dict[Connection, frozenset[str]]:
    """What the keys of the live connections open that live on a user, or are of an environment or mandate."""
    concerned = Connection.objects.live().concerning(about).for_list()
    return {connection: connection.opened for connection in concerned if connection.opened}


def tell_of_losses(losses, by) -> None:
    """Write to the owner and the administrators of both sides, one mail a person (R54)."""
    administrators = {}
    of_person = {}
    for loss in losses:
        connection = loss.of
        people = {connection.owner} if connection.owner.is_active else set()
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
