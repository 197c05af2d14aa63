"""Connections: made, taken over, paused, used for further organisations, revoked, deleted."""

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.events.models import Action
from accounts.mail.services import tell
from accounts.models import Organisation, User
from accounts.refusals import refuse_blocked
from connections import keys
from connections.history import record_about, record_at
from connections.models import App, Connection, FurtherOrganisation, KeySet
from connections.models.standing import Standing, payer
from connections.refusals import (
    AddedAlready,
    AlreadyConnected,
    CannotOwn,
    ConfirmFirst,
    Ended,
    IntegrationsOff,
    LastOrganisation,
    NoOwnAppsHere,
    NotPaused,
    NotRevoked,
    NotTheOwner,
    NotUsableThere,
    NotYours,
    OwnsAlready,
    PausedAlready,
    SameAdministration,
    WithoutKeys,
)
from connections.services.accesses import functions_given
from connections.services.apps import create_own_app
from connections.services.keys import mail, new_key_set, refuse_second_click
from connections.services.standing import (
    entered,
    locked,
    locked_for_all,
    mandate_of,
    places_of,
    refuse_more,
    refuse_stopped,
)
from partners import services as partners
from partners.models import MandateApp
from portal.prepared import Given, Prepared


@sensitive_variables("pair")
@transaction.atomic
def create_connection(
    *,
    organisation,
    app,
    name,
    access,
    functions=(),
    administration="",
    confirmed=False,
    ends_at=None,
    owner=None,
    by,
    op_id,
) -> tuple[Connection, keys.KeyPair]:
    """Join `organisation` to `app` and make its first keys, which live on `owner`, or on `by` (R13, R25).

    An `app` that is not saved yet becomes an Own App of the organisation's environment (R12). `access` is one
    of Access; `functions` is read for Access.CHOSEN only. Nothing is given that the app does not ask or the
    owner lacks (R6). `administration` is its name in the package; `confirmed` says that a second connection
    to it is wanted (R22). The keys end at `ends_at`, when that is given. `op_id` names the form: the same
    form makes keys once (R14).
    Raises OutOfReach, AlreadyCreated, IntegrationsOff, NoOwnAppsHere, NameTaken, CannotOwn, MoreThanYours,
    AlreadyConnected for a second one with the same package and administration, and ConfirmFirst.
    """
    owner = owner or by
    organisation = entered(organisation, by)
    refuse_second_click(op_id, organisation)
    refuse_stopped_for(organisation, owner)
    if app.pk is None:
        if by.environment_id != organisation.environment_id:
            raise NoOwnAppsHere(organisation)
        app = create_own_app(
            environment=organisation.environment, name=app.name, functions=app.functions, by=by
        )
    refuse_conflicts(organisation, app, administration, confirmed=confirmed)
    connection = joined(
        organisation=organisation,
        app=app,
        name=name,
        administration=administration,
        access=access,
        functions=functions,
        owner=owner,
        by=by,
    )
    pair = new_key_set(connection, by, op_id, ends_at)
    record_about(connection, Action.CONNECTION_CREATED, by=by, app_key=pair.app_key, access=access)
    mail("connection_created", connection, by)
    return connection, pair


@sensitive_variables("pair")
@transaction.atomic
def take_over(*, connection, owner=None, ends_at=None, by, op_id) -> keys.KeyPair | None:
    """Have a connection live on `owner`, or on `by`, instead of the one it lives on now (R7).

    It gets a new set of keys, since whoever saw the old Secret still knows it, and accesses that the new
    owner has; organisations where the new owner cannot own it are removed from it. Autopilot has no keys.
    The keys end at `ends_at`, when that is given; `op_id` names the form: the same form makes keys once.
    Raises OutOfReach, NotYours, AlreadyCreated, Ended, OwnsAlready, CannotOwn, IntegrationsOff,
    MoreThanYours.
    """
    owner = owner or by
    connection = locked(connection, by)
    refuse_second_click(op_id, connection.organisation)
    if connection.owner_stands and connection.owner == owner:
        raise OwnsAlready(owner)
    before, connection.owner = connection.owner, owner
    given = connection.functions
    connection.mandate = mandate_of(owner, connection.organisation)
    connection.functions = functions_given(
        connection.access, connection.functions, connection.app, connection.organisation, owner
    )
    connection.save(update_fields=["owner", "mandate", "functions"])
    if not Connection.objects.owner_stands().filter(pk=connection.pk).exists():
        raise CannotOwn(owner, connection.organisation)
    refuse_stopped(connection)
    _further_under(owner, connection, by)
    refuse_more(connection, by)
    connection.key_sets.retire(KeySet.Retired.SUPERSEDED, by)
    pair = None if connection.is_autopilot else new_key_set(connection, by, op_id, ends_at)
    record_about(
        connection,
        Action.CONNECTION_TAKEN_OVER,
        by=by,
        app_key=pair.app_key if pair else "",
        removed=[name for name in given if name not in connection.functions],
        **{"from": before.get_full_name(), "to": owner.get_full_name()},
    )
    mail("keys_created" if pair else "autopilot_taken_over", connection, by)
    return pair


@transaction.atomic
def pause(*, connection, by) -> None:
    """Refuse every call from now on, until somebody resumes it; the keys stay the same (R23).

    Invoices that arrive meanwhile wait for it. Raises OutOfReach, NotYours, Ended, PausedAlready.
    """
    connection = locked(connection, by)
    if connection.paused_at:
        raise PausedAlready
    _set_pause(connection, timezone.now(), by)
    record_about(connection, Action.CONNECTION_PAUSED, by=by)
    mail("connection_paused", connection, by)


@transaction.atomic
def resume(*, connection, by) -> None:
    """Let a paused connection work again, with the same keys (R23).

    Raises OutOfReach, NotYours, Ended, NotPaused.
    """
    connection = locked(connection, by)
    if not connection.paused_at:
        raise NotPaused
    _set_pause(connection, None, None)
    record_about(connection, Action.CONNECTION_RESUMED, by=by)
    mail("connection_resumed", connection, by)


@transaction.atomic
def add_organisation(*, connection, organisation, administration="", confirmed=False, by) -> None:
    """Use the keys of `connection` for `organisation` too; software names it in each call (R15).

    `administration` and `confirmed` are those of `create_connection`. What the keys open there is capped by
    the owner's accesses there (R5). Raises OutOfReach, NotYours, Ended, WithoutKeys, NotTheOwner,
    AddedAlready, NotUsableThere, AlreadyConnected, ConfirmFirst, SameAdministration, CannotOwn and
    IntegrationsOff.
    """
    connection = locked(connection, by, also=[organisation])
    organisation = entered(organisation, by)
    if connection.is_autopilot:
        raise WithoutKeys
    if by != connection.owner:
        raise NotTheOwner(connection.owner)
    places = places_of(connection)
    if organisation in {place.organisation for place in places}:
        raise AddedAlready(organisation)
    if not App.objects.usable_by(organisation.environment).filter(pk=connection.app_id).exists():
        raise NotUsableThere(connection.app, organisation)
    refuse_conflicts(organisation, connection.app, administration, confirmed=confirmed)
    for place in of_administration(places, administration) if administration else []:
        raise SameAdministration(place.organisation)
    place = FurtherOrganisation.objects.create(
        connection=connection,
        organisation=organisation,
        mandate=mandate_of(by, organisation),
        administration=administration,
        added_by=by,
    )
    if not FurtherOrganisation.objects.owner_stands().filter(pk=place.pk).exists():
        raise CannotOwn(by, organisation)
    refuse_stopped(place)
    if place.mandate:
        MandateApp.objects.get_or_create(mandate=place.mandate, app=connection.app)
    record_at(place, Action.CONNECTION_EXTENDED, by=by)
    _mail_about(place, "organisation_added", by)


@transaction.atomic
def remove_organisation(*, connection, organisation, by) -> None:
    """Stop the use of `connection` for `organisation`; for its others it goes on with the same keys (R15).

    For people of the environment that made it, and for those of the organisation itself. Raises OutOfReach,
    NotYours, Ended, and LastOrganisation when there is no other. What is not there any more changes nothing.
    """
    connection = locked_for_all(connection)
    theirs = by.environment_id == organisation.environment_id
    if by.environment_id != connection.made_by.pk and not theirs:
        raise NotYours(connection)
    entered(organisation if theirs else connection.organisation, by)
    if connection.is_revoked:
        raise Ended
    for place in places_of(connection):
        if place.organisation == organisation:
            _remove(place, by)
            _mail_about(place, "organisation_removed", by)


@transaction.atomic
def report_administration(*, connection, organisation, name, check=lambda: None) -> Standing:
    """Keep in which administration the software books for `organisation`, as it says; "" takes it back (R22).

    What somebody typed in the portal stays. `check` is called inside the transaction; it locks the
    connection, and refuses by raising when it is not used for that organisation any more.
    """
    check()
    place = next(it for it in places_of(connection) if it.organisation == organisation)
    if place.reported != name:
        place.reported = name
        place.save(update_fields=["reported"])
        record_at(place, Action.ADMINISTRATION_CHANGED, by=None, administration=name)
    return place


@transaction.atomic
def revoke(*, connection, by) -> None:
    """Stop all exchange through `connection`, at once and for ever, for all its organisations (R18).

    Invoices already exchanged stay as they are. Raises OutOfReach, NotYours, and Ended when it was revoked
    before.
    """
    _revoke(locked(connection, by), by)


@transaction.atomic
def revoke_by_support(*, connection, by) -> None:
    """The same, by a member of support, who reaches every connection. Raises Ended."""
    connection = locked_for_all(connection)
    if connection.is_revoked:
        raise Ended
    _revoke(connection, by)


@transaction.atomic
def delete(*, connection, by) -> None:
    """Take a revoked connection out of the overview; its history stays in the activity log (R19).

    Raises OutOfReach, NotYours, NotRevoked. Deleting it twice is once.
    """
    connection = locked(connection, by, revoked_too=True)
    if not connection.is_revoked:
        raise NotRevoked
    if connection.deleted_at:
        return
    connection.deleted_at, connection.deleted_by = timezone.now(), by
    connection.save(update_fields=["deleted_at", "deleted_by"])
    record_about(connection, Action.CONNECTION_DELETED, by=by)


@transaction.atomic
def end_partnership(*, partnership, by) -> None:
    """End the partnership: the accountant's access, and every connection made through it, at once (R34).

    What is used for other organisations too goes on for those (R15). The client's own connections and all
    invoices stay. Raises PartnershipEnded.
    """
    theirs = Q(mandate__partnership=partnership) | Q(further__mandate__partnership=partnership)
    made = Connection.objects.live().filter(theirs)
    concerned = Organisation.objects.filter(
        Q(connections__in=made) | Q(further_connections__connection__in=made)
    )
    mandates = partners.end(partnership=partnership, by=by, also=concerned)
    rows = made.select_for_update(no_key=True, of=["self"]).order_by("pk")
    for connection in dict.fromkeys(rows):
        ended = [it for it in places_of(connection) if it.mandate in mandates]
        for place in reversed(ended):
            stop_at(place, by)


def refuse_conflicts(organisation, app, administration, *, confirmed) -> None:
    """Raise AlreadyConnected for a second live connection of a package to an administration, and ConfirmFirst
    for one of another package that nobody has confirmed (R22). The organisation is locked.

    Where nobody named an administration, packages that call by themselves are not taken for rivals: a shop
    and a bookkeeping package are connected side by side every day.
    """
    places = live_places_at(organisation)
    same = of_administration(places, administration)
    for place in places:
        if place.app == app and (place in same or place.administration == administration):
            raise AlreadyConnected(place)
    rivals = [place for place in same if administration or place.is_autopilot]
    if rivals and not confirmed:
        raise ConfirmFirst(rivals)


def live_places_at(organisation) -> list[Standing]:
    """All that is connected to `organisation` now: its connections, and those of others used for it too."""
    return [*_CONNECTIONS_AT.rows(organisation=organisation.pk), *shared_with(organisation)]


def shared_with(organisation) -> list[FurtherOrganisation]:
    """The live connections of other organisations that are used for this one too (R15)."""
    return _FURTHER_AT.rows(organisation=organisation.pk)


_AT = {"organisation": Given("organisation")}
_CONNECTIONS_AT = Prepared(
    lambda: Connection.objects.live().filter(**_AT).for_list().order_by("pk")
)
_FURTHER_AT = Prepared(lambda: FurtherOrganisation.objects.live().filter(**_AT).for_list())


def refuse_stopped_for(organisation, owner) -> None:
    """Raise IntegrationsOff where whoever would pay for a connection of `owner` has no such service (R8), and
    EnvironmentBlocked where support has blocked a side."""
    mandate = mandate_of(owner, organisation)
    refuse_blocked(organisation.environment, *([mandate.accountant] if mandate else []))
    paid_by = payer(organisation, mandate)
    if not paid_by.has_integrations:
        raise IntegrationsOff(paid_by)


def joined(*, organisation, app, access, functions, owner, by, **values) -> Connection:
    """A new connection of `organisation`, which is locked, to `app`, with nothing to use it by yet.

    Nothing is given that the app does not ask or the owner lacks (R6). Raises CannotOwn and MoreThanYours.
    """
    connection = Connection.objects.create(
        organisation=organisation,
        number=next_number(organisation),
        app=app,
        access=access,
        functions=functions_given(access, functions, app, organisation, owner),
        owner=owner,
        mandate=mandate_of(owner, organisation),
        created_by=by,
        **values,
    )
    if not Connection.objects.owner_stands().filter(pk=connection.pk).exists():
        raise CannotOwn(owner, organisation)
    refuse_more(connection, by)
    if connection.mandate:
        MandateApp.objects.get_or_create(mandate=connection.mandate, app=app)
    return connection


def next_number(organisation) -> int:
    """The number that a connection of `organisation`, which is locked, gets."""
    last = Connection.objects.filter(organisation=organisation).aggregate(last=Max("number"))
    return (last["last"] or 0) + 1


def of_administration(places, administration) -> list[Standing]:
    """Those of `places` that book in this administration, however it is spelled."""
    name = administration.casefold()
    return [place for place in places if place.known_administration.casefold() == name]


def _set_pause(connection, at, by):
    connection.paused_at, connection.paused_by = at, by
    connection.save(update_fields=["paused_at", "paused_by"])


def stop_at(place, by) -> None:
    """Stop a connection that the caller has locked for one organisation; it goes on for others, if any."""
    _remove(place, by) if _others(place) else revoke_locked(place, by)


def _others(place):
    """Whether the connection is used for further organisations beside this one."""
    return isinstance(place, FurtherOrganisation) or place.further.exists()


def _remove(place, by):
    """Take one organisation out of a connection; where it is the first one, another one takes its place."""
    if not _others(place):
        raise LastOrganisation
    record_at(place, Action.CONNECTION_NARROWED, by=by)
    if isinstance(place, FurtherOrganisation):
        place.delete()
        return
    heir = place.further.order_by("pk").first()
    place.further.filter(pk=heir.pk).delete()
    Connection.objects.filter(pk=place.pk).update(
        organisation=heir.organisation,
        number=next_number(heir.organisation),
        mandate=heir.mandate,
        administration=heir.administration,
        reported=heir.reported,
    )


def _further_under(owner, connection, by):
    """Have the further organisations live on `owner`; those where that cannot be are removed."""
    for place in FurtherOrganisation.objects.of(connection).for_list():
        place.mandate = mandate_of(owner, place.organisation)
        place.save(update_fields=["mandate"])
        if not FurtherOrganisation.objects.owner_stands().filter(pk=place.pk).exists():
            _remove(place, by)
            _mail_about(place, "organisation_removed", by)


def _revoke(connection, by):
    revoke_locked(connection, by)
    mail("connection_revoked", connection, by)
    for place in places_of(connection)[1:]:
        _mail_about(place, "organisation_removed", by)


def revoke_locked(connection, by) -> None:
    """Revoke a connection that the caller has locked, without a mail of its own."""
    connection.key_sets.retire(KeySet.Retired.REVOKED, by)
    connection.revoked_at, connection.revoked_by = timezone.now(), by
    connection.save(update_fields=["revoked_at", "revoked_by"])
    record_about(connection, Action.CONNECTION_REVOKED, by=by)


def _mail_about(place, template, by):
    """Tell the administrators of the organisation, and the owner, who may be of another environment (R54)."""
    people = set(User.objects.administrators_of(place.organisation.environment))
    if place.owner.is_active:
        people.add(place.owner)
    tell(template, people, place=place, app=place.app, organisation=place.organisation, by=by)
