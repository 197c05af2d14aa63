"""What a person may do with connections of an organisation, and the locks under which it is done."""

from accounts.models import Membership, Organisation, User
from accounts.refusals import ChangedMeanwhile, refuse_blocked
from accounts.roles import Permission, roles_that_allow
from connections import rights
from connections.models import Connection, FurtherOrganisation
from connections.models.standing import Standing, payer
from connections.refusals import Ended, IntegrationsOff, MoreThanYours, NotYours, OutOfReach
from partners.models import Mandate


def accesses_of(user, organisation) -> rights.Part:
    """The API functions that `user` has in `organisation` now; what a key of that owner can be given (R6)."""
    membership = Membership.objects.filter(user=user, organisation=organisation).first()
    mandate = mandate_of(user, organisation)
    at_home = user.environment_id == organisation.environment_id
    accesses = rights.accesses_of_owner(
        stands=membership is not None
        and (at_home or mandate is not None)
        and user.may(Permission.MANAGE_KEYS),
        accesses=membership.accesses if membership else None,
    )
    return rights.common(accesses, frozenset(mandate.functions)) if mandate else accesses


def mandate_of(user, organisation) -> Mandate | None:
    """The mandate under which `user` works in `organisation`; None for the organisation's own people."""
    if user.environment_id == organisation.environment_id:
        return None
    mandates = Mandate.objects.active().select_related("accountant")
    return mandates.filter(accountant=user.environment_id, organisation=organisation).first()


def payer_for(user, organisation):
    """The environment whose Integrations service pays for what `user` connects in `organisation` (R8, R9)."""
    return payer(organisation, mandate_of(user, organisation))


def who_could_own(connection, by) -> list[tuple[User, list[str]]]:
    """Whom `connection` could live on instead, each with the API functions that would be lost (R7).

    Those are the people of `by`'s environment, and of the accountant's under whose mandate it is, who may
    manage connections of its organisation; who lacks least comes first.
    """
    environments = {by.environment_id, connection.mandate and connection.mandate.accountant_id}
    people = User.objects.filter(
        memberships__organisation=connection.organisation,
        environment__in=environments - {None},
        role__in=roles_that_allow(Permission.MANAGE_KEYS),
        environment__blocked_at__isnull=True,
        is_active=True,
        joined_at__isnull=False,
    ).exclude(pk=connection.owner_id if connection.owner_stands else None)
    wanted = asked_for(connection)
    found = [
        (
            user,
            sorted(
                name
                for name in wanted
                if not rights.has(accesses_of(user, connection.organisation), name)
            ),
        )
        for user in people.order_by("last_name", "pk")
    ]
    return sorted(found, key=lambda pair: len(pair[1]))


def places_of(connection) -> list[Standing]:
    """The organisations that `connection` is used for, as it stands there now, the first one first (R15)."""
    return [
        Connection.objects.for_list().get(pk=connection.pk),
        *FurtherOrganisation.objects.of(connection).for_list(),
    ]


def opened(connection) -> dict[Organisation, frozenset[str]]:
    """What the keys of `connection` open now, for each of its organisations."""
    return {place.organisation: place.rights.effective() for place in places_of(connection)}


def asked_for(connection):
    """What the key of `connection` is meant to open, whoever owns it."""
    return rights.common(connection.rights.app, connection.rights.key)


def entered(organisation, by):
    """Lock the organisation and answer it: nobody ends the way by which `by` came in before this is done.

    Raises OutOfReach where there is no such way any more (R34), or support has blocked the environment of
    `by`.
    """
    lock_organisations(organisation.pk)
    reachable = Organisation.objects.reachable_by(by).select_related("environment")
    found = reachable.filter(pk=organisation.pk).first()
    if found is None:
        raise OutOfReach(organisation)
    return found


def lock_organisations(*ids) -> None:
    """Lock several organisations, in the order in which everybody does."""
    locked = Organisation.objects.select_for_update(no_key=True).filter(pk__in=ids)
    list(locked.order_by("pk").values_list("pk"))


def locked(connection, by, *, also=(), revoked_too=False):
    """The live row for a change by `by`, nobody else's to change now; a call that writes waits for it (R43).

    `also` are organisations that the change is about, beside those that it is used for. Raises OutOfReach,
    NotYours, Ended, ChangedMeanwhile.
    """
    found = locked_for_all(connection, also=also)
    entered(found.organisation, by)
    if not found.is_managed_by(by):
        raise NotYours(found)
    if found.is_revoked and not revoked_too:
        raise Ended
    return found


def locked_for_all(connection, *, also=()):
    """The same, whoever asks: for what people of each of its organisations may do."""
    further = connection.further.values_list("organisation", flat=True)
    lock_organisations(connection.organisation_id, *further, *(it.pk for it in also))
    found = (
        Connection.objects.select_for_update(no_key=True, of=["self"])
        .for_list()
        .get(pk=connection.pk)
    )
    if found.organisation_id != connection.organisation_id:  # it went on for others meanwhile
        raise ChangedMeanwhile
    return found


def refuse_stopped(place):
    """Raise IntegrationsOff where whoever pays has no Integrations service now (R8), EnvironmentBlocked where
    support has blocked a side."""
    refuse_blocked(place.organisation.environment, place.made_by)
    if not place.paid_by.has_integrations:
        raise IntegrationsOff(place.paid_by)


def refuse_more(connection, by, had=None):
    """Nobody gets, or widens, keys that open what they may not do themselves, for any of the organisations.

    `had` is what was `opened` before. Raises MoreThanYours.
    """
    missing = set()
    for organisation, functions in opened(connection).items():
        own = accesses_of(by, organisation)
        new = functions - (had or {}).get(organisation, frozenset())
        missing |= {name for name in new if not rights.has(own, name)}
    if missing:
        raise MoreThanYours(missing)
