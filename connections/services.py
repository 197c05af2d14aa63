"""What people do with apps, connections and keys.

Every service is one transaction with its event and its mails; `by` is the acting user. A service that says
no raises a `Refused` whose text is a sentence for that person.
"""

import hashlib
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.events.models import Action
from accounts.events.services import record, record_for
from accounts.mail.services import tell
from accounts.models import Membership, Organisation, User
from accounts.refusals import ChangedMeanwhile as ChangedMeanwhile
from accounts.refusals import Refused as Refused
from accounts.roles import Permission, roles_that_allow
from connections import keys, rights
from connections.history import record_about
from connections.models import Access, App, AppLogo, Connection, KeySet, catalogue
from connections.models.connections import payer
from connections.refusals import (
    AlreadyConnected,
    AlreadyCreated,
    CannotOwn,
    Ended,
    IntegrationsOff,
    MoreThanYours,
    NameTaken,
    NoOwnAppsHere,
    NotRevoked,
    NotYours,
    OutOfReach,
    OwnerGone,
    OwnsAlready,
)
from partners import services as partners
from partners.models import Mandate, MandateApp
from partners.refusals import PartnershipEnded as PartnershipEnded

REMINDED_AFTER = timedelta(days=7)
REMINDED_AT_ONCE = 200


@transaction.atomic
def create_own_app(*, environment, name, functions, logo=None, by) -> App:
    """Make an Own App of `environment` (R11). `logo` is PNG bytes that we encoded. Raises NameTaken."""
    app = _saved_app(App(environment=environment, name=name, functions=functions))
    store_logo(app, logo)
    record(Action.OWN_APP_CREATED, by=by, subject=app, environment=environment, functions=functions)
    return app


@transaction.atomic
def change_own_app(*, app, name, functions, logo=None, by) -> None:
    """Change name, permissions and, when given, logo; acts on the app's keys with their next call (R11).

    Raises NameTaken.
    """
    app = App.objects.select_for_update(no_key=True).get(pk=app.pk)
    before = app.functions
    app.name, app.functions = name, functions
    _saved_app(app)
    store_logo(app, logo)
    record(
        Action.OWN_APP_CHANGED,
        by=by,
        subject=app,
        environment=app.environment,
        added=[f for f in functions if f not in before],
        removed=[f for f in before if f not in functions],
    )


@sensitive_variables("pair")
@transaction.atomic
def create_connection(
    *, organisation, app, name, access, functions=(), administration="", owner=None, by, op_id
) -> tuple[Connection, keys.KeyPair]:
    """Join `organisation` to `app` and make its first keys, which live on `owner`, or on `by` (R13, R25).

    An `app` that is not saved yet becomes an Own App of the organisation's environment (R12). `access` is one
    of Access; `functions` is read for Access.CHOSEN only. Nothing is given that the app does not ask or the
    owner lacks (R6). `op_id` names the form: the same form makes keys once (R14).
    Raises OutOfReach, AlreadyCreated, IntegrationsOff, NoOwnAppsHere, NameTaken, CannotOwn, MoreThanYours,
    and AlreadyConnected for a second one with the same package and administration.
    """
    owner = owner or by
    organisation = entered(organisation, by)
    _refuse_second_click(op_id, organisation)
    mandate = mandate_of(owner, organisation)
    paid_by = payer(organisation, mandate)
    if not paid_by.has_integrations:
        raise IntegrationsOff(paid_by)
    if app.pk is None:
        if by.environment_id != organisation.environment_id:
            raise NoOwnAppsHere(organisation)
        app = create_own_app(
            environment=organisation.environment, name=app.name, functions=app.functions, by=by
        )
    connections = Connection.objects.filter(organisation=organisation)
    live = (
        connections.live()
        .filter(app=app, administration=administration)
        .select_related("app", "organisation")
    )
    if live.exists():
        raise AlreadyConnected(live.get())
    connection = Connection.objects.create(
        organisation=organisation,
        number=(connections.aggregate(last=Max("number"))["last"] or 0) + 1,
        app=app,
        name=name,
        administration=administration,
        access=access,
        functions=_functions_given(access, functions, app, organisation, owner),
        owner=owner,
        mandate=mandate,
        created_by=by,
    )
    if not Connection.objects.owner_stands().filter(pk=connection.pk).exists():
        raise CannotOwn(owner, organisation)
    _refuse_more(connection, by)
    if connection.mandate:
        MandateApp.objects.get_or_create(mandate=connection.mandate, app=app)
    pair = _new_key_set(connection, by, op_id)
    record_about(connection, Action.CONNECTION_CREATED, by=by, app_key=pair.app_key, access=access)
    _mail("connection_created", connection, by)
    return connection, pair


@sensitive_variables("pair")
@transaction.atomic
def create_new_keys(*, connection, by, op_id) -> keys.KeyPair:
    """Make a new App Key and Secret; the old set is invalid in the same instant (R16).

    `op_id` names the form: the same form makes keys once.
    Raises OutOfReach, NotYours, AlreadyCreated, Ended, OwnerGone, IntegrationsOff, MoreThanYours.
    """
    connection = _locked(connection, by)
    _refuse_second_click(op_id, connection.organisation)
    if not connection.owner_stands:
        raise OwnerGone(connection.owner)
    _refuse_without_integrations(connection)
    _refuse_more(connection, by)
    connection.key_sets.retire(KeySet.Retired.SUPERSEDED, by)
    pair = _new_key_set(connection, by, op_id)
    record_about(connection, Action.KEYS_CREATED, by=by, app_key=pair.app_key)
    _mail("keys_created", connection, by)
    return pair


@sensitive_variables("pair")
@transaction.atomic
def take_over(*, connection, owner=None, by, op_id) -> keys.KeyPair:
    """Have a connection live on `owner`, or on `by`, instead of the one it lives on now (R7).

    It gets a new set of keys, since whoever saw the old Secret still knows it, and accesses that the new
    owner has. `op_id` names the form: the same form makes keys once. Raises OutOfReach, NotYours,
    AlreadyCreated, Ended, OwnsAlready, CannotOwn, IntegrationsOff, MoreThanYours.
    """
    owner = owner or by
    connection = _locked(connection, by)
    _refuse_second_click(op_id, connection.organisation)
    if connection.owner_stands and connection.owner == owner:
        raise OwnsAlready(owner)
    before, connection.owner = connection.owner, owner
    given = connection.functions
    connection.mandate = mandate_of(owner, connection.organisation)
    connection.functions = _functions_given(
        connection.access, connection.functions, connection.app, connection.organisation, owner
    )
    connection.save(update_fields=["owner", "mandate", "functions"])
    if not Connection.objects.owner_stands().filter(pk=connection.pk).exists():
        raise CannotOwn(owner, connection.organisation)
    _refuse_without_integrations(connection)
    _refuse_more(connection, by)
    connection.key_sets.retire(KeySet.Retired.SUPERSEDED, by)
    pair = _new_key_set(connection, by, op_id)
    record_about(
        connection,
        Action.CONNECTION_TAKEN_OVER,
        by=by,
        app_key=pair.app_key,
        removed=[name for name in given if name not in connection.functions],
        **{"from": before.get_full_name(), "to": owner.get_full_name()},
    )
    _mail("keys_created", connection, by)
    return pair


@transaction.atomic
def change_accesses(*, connection, access, functions=(), seen=None, by) -> None:
    """Change what the key is given; acts with the next call, the keys stay the same (R26).

    Never more than the app asks and the owner has (R6), and nothing new that `by` lacks. `seen` is the
    `accesses_seen` of the connection that `by` had before the eyes.
    Raises OutOfReach, NotYours, Ended, ChangedMeanwhile, OwnerGone, MoreThanYours.
    """
    connection = _locked(connection, by)
    if seen is not None and seen != accesses_seen(connection):
        raise ChangedMeanwhile
    if not connection.owner_stands:
        raise OwnerGone(connection.owner)
    before, meant = connection.rights.effective(), _asked_for(connection)
    connection.access = access
    connection.functions = _functions_given(
        access, functions, connection.app, connection.organisation, connection.owner
    )
    connection.save(update_fields=["access", "functions"])
    _refuse_more(connection, by, had=before)
    now = _asked_for(connection)
    record_about(
        connection,
        Action.CONNECTION_CHANGED,
        by=by,
        access=access,
        added=sorted(now - meant),
        removed=sorted(meant - now),
    )


@transaction.atomic
def revoke(*, connection, by) -> None:
    """Stop all exchange through `connection`, at once and for ever (R18).

    Invoices already exchanged stay as they are. Raises OutOfReach, NotYours, and Ended when it was revoked
    before.
    """
    connection = _locked(connection, by)
    _revoke(connection, by)
    _mail("connection_revoked", connection, by)


@sensitive_variables("secret")
@transaction.atomic
def end_found(*, secret) -> bool:
    """End the keys of a Secret that somebody found, at once, and tell the owner; answers whether it was ours.

    Whoever holds a Secret may end it: it is worth nothing better in the hands of a stranger. The connection
    stays and needs new keys.
    """
    found = KeySet.objects.of_secret(secret).select_related("connection__organisation").first()
    if found is None:
        return False
    Organisation.objects.select_for_update(no_key=True).get(pk=found.connection.organisation_id)
    if not KeySet.objects.filter(pk=found.pk).retire(KeySet.Retired.FOUND, None):
        return False  # ended meanwhile
    connection = Connection.objects.for_list().get(pk=found.connection_id)
    record_about(connection, Action.KEYS_FOUND, by=None, app_key=found.app_key)
    _mail("keys_found", connection, None)
    return True


@transaction.atomic
def remind_unused() -> int:
    """Tell the owners of keys that nobody has used for 7 days, once a set (R21); answers how many."""
    unused = Connection.objects.unused_for(REMINDED_AFTER)
    due = list(
        KeySet.objects.never_used()
        .filter(
            connection__in=unused,
            created_at__lte=timezone.now() - REMINDED_AFTER,
            reminded_at__isnull=True,
        )
        .select_for_update(no_key=True, of=["self"], skip_locked=True)
        .order_by("created_at")[:REMINDED_AT_ONCE]
    )
    KeySet.objects.filter(pk__in=[key_set.pk for key_set in due]).update(reminded_at=timezone.now())
    for connection in Connection.objects.for_list().filter(key_sets__in=due):
        _mail("connection_unused", connection, None)
    return len(due)


@transaction.atomic
def delete(*, connection, by) -> None:
    """Take a revoked connection out of the overview; its history stays in the activity log (R19).

    Raises OutOfReach, NotYours, NotRevoked. Deleting it twice is once.
    """
    connection = _locked(connection, by, revoked_too=True)
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

    The client's own connections and all invoices stay. Raises PartnershipEnded.
    """
    mandates = partners.end(partnership=partnership, by=by)
    for connection in (
        Connection.objects.live()
        .filter(mandate__in=mandates)
        .select_for_update(no_key=True, of=["self"])
        .for_list()
        .order_by("pk")
    ):
        _revoke(connection, by)


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
        is_active=True,
        joined_at__isnull=False,
    ).exclude(pk=connection.owner_id if connection.owner_stands else None)
    wanted = _asked_for(connection)
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


def entered(organisation, by):
    """Lock the organisation and answer it: nobody ends the way by which `by` came in before this is done.

    Raises OutOfReach where there is no such way any more (R34).
    """
    organisation = (
        Organisation.objects.select_for_update(no_key=True, of=["self"])
        .select_related("environment")
        .get(pk=organisation.pk)
    )
    if not Organisation.objects.reachable_by(by).filter(pk=organisation.pk).exists():
        raise OutOfReach(organisation)
    return organisation


def mandate_of(user, organisation) -> Mandate | None:
    """The mandate under which `user` works in `organisation`; None for the organisation's own people."""
    if user.environment_id == organisation.environment_id:
        return None
    mandates = Mandate.objects.active().select_related("accountant")
    return mandates.filter(accountant=user.environment_id, organisation=organisation).first()


def _locked(connection, by, *, revoked_too=False):
    """The live row, nobody else's to change now; a call that writes waits for it (R43)."""
    entered(connection.organisation, by)
    connection = (
        Connection.objects.select_for_update(no_key=True, of=["self"])
        .for_list()
        .get(pk=connection.pk)
    )
    if not connection.is_managed_by(by):
        raise NotYours(connection)
    if connection.is_revoked and not revoked_too:
        raise Ended
    return connection


def _refuse_without_integrations(connection):
    if not connection.paid_by.has_integrations:
        raise IntegrationsOff(connection.paid_by)


def _refuse_more(connection, by, had=frozenset()):
    """Nobody gets, or widens, keys that open what they may not do themselves; `had` it opened before."""
    connection = Connection.objects.for_list().get(pk=connection.pk)
    own = accesses_of(by, connection.organisation)
    missing = [name for name in connection.rights.effective() - had if not rights.has(own, name)]
    if missing:
        raise MoreThanYours(missing)


def _asked_for(connection):
    """What the key of `connection` is meant to open, whoever owns it."""
    return rights.common(connection.rights.app, connection.rights.key)


def _revoke(connection, by):
    connection.key_sets.retire(KeySet.Retired.REVOKED, by)
    connection.revoked_at, connection.revoked_by = timezone.now(), by
    connection.save(update_fields=["revoked_at", "revoked_by"])
    record_about(connection, Action.CONNECTION_REVOKED, by=by)


def _refuse_second_click(op_id, organisation):
    earlier = KeySet.objects.filter(op_id=op_id).select_related("connection__organisation").first()
    if earlier:
        known = earlier.connection.organisation_id == organisation.pk
        raise AlreadyCreated(earlier if known else None)


@sensitive_variables("pair")
def _new_key_set(connection, by, op_id):
    pair = keys.make_pair()
    version = (connection.key_sets.aggregate(last=Max("version"))["last"] or 0) + 1
    try:
        with transaction.atomic():
            KeySet.objects.create(
                connection=connection,
                version=version,
                app_key=pair.app_key,
                pepper=settings.PEPPERS.current,
                secret_digest=keys.digest(
                    pair.secret.reveal(),
                    pepper=settings.PEPPERS.get(settings.PEPPERS.current),
                    app_key=pair.app_key,
                    connection=connection.uuid.hex,
                    version=version,
                ),
                leak_tag=keys.leak_tag(
                    pair.secret.reveal(), pepper=settings.PEPPERS.get(settings.PEPPERS.current)
                ),
                op_id=op_id,
                created_by=by,
            )
    except IntegrityError:
        raise AlreadyCreated from None
    return pair


def _functions_given(access, functions, app, organisation, owner):
    """What is stored with the key: nothing for all accesses, which grow with the owner (R27)."""
    if access == Access.ALL:
        return []
    owners = accesses_of(owner, organisation)
    return rights.grantable(
        app.functions if access == Access.OWNERS else functions, app=app.functions, owner=owners
    )


def _saved_app(app):
    try:
        with transaction.atomic():
            app.save()
    except IntegrityError:
        raise NameTaken(app.name) from None
    return app


def store_logo(app, png) -> None:
    """Keep `png`, which we encoded ourselves, as the logo of `app`; None keeps the one it has."""
    if png:
        digest = hashlib.sha256(png).hexdigest()[:32]
        AppLogo.objects.update_or_create(app=app, defaults={"png": png, "digest": digest})


def _mail(template, connection, by):
    """Tell the owner and the administrators, each once (R54)."""
    people = set(User.objects.administrators_of(connection.organisation.environment))
    if connection.owner.is_active:
        people.add(connection.owner)
    tell(template, people, connection=connection, by=by)
