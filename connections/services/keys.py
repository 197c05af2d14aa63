"""Key sets: made, replaced at once or in a planned change, found, ended."""

from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.events.models import Action
from accounts.mail.services import tell
from accounts.models import Organisation, User
from connections import expiry, keys
from connections.history import record_about
from connections.models import Connection, KeyNotice, KeySet
from connections.refusals import (
    AlreadyCreated,
    NoKeys,
    NotPlanned,
    NotRetiring,
    OwnerGone,
    StillRetiring,
    WithoutKeys,
)
from connections.services.standing import locked, refuse_more, refuse_stopped

ENDED_AT_ONCE = 200


class Overlap(models.IntegerChoices):
    """For how many hours the old keys live on beside the new ones (R17)."""

    HOUR = 1, _("1 hour")
    DAY = 24, _("24 hours")
    WEEK = 168, _("7 days")


class Reason(models.TextChoices):
    """Why somebody changes keys; only what is planned lets the old ones live on (R17)."""

    PLANNED = "planned", _("A planned change")
    LOST = "lost", _("The Secret is lost")
    LEAKED = "leaked", _("Somebody else may have seen the Secret")
    PERSON_LEFT = "person left", _("A person who knows the Secret has left")


@sensitive_variables("pair")
@transaction.atomic
def create_new_keys(*, connection, ends_at=None, by, op_id) -> keys.KeyPair:
    """Make a new App Key and Secret; every older set is invalid in the same instant (R16).

    The new keys end at `ends_at`, when that is given. `op_id` names the form: the same form makes keys once.
    Raises OutOfReach, NotYours, AlreadyCreated, Ended, WithoutKeys, OwnerGone, IntegrationsOff,
    MoreThanYours.
    """
    connection = _for_new_keys(connection, by, op_id)
    connection.key_sets.retire(KeySet.Retired.SUPERSEDED, by)
    pair = new_key_set(connection, by, op_id, ends_at)
    record_about(connection, Action.KEYS_CREATED, by=by, app_key=pair.app_key)
    mail("keys_created", connection, by)
    return pair


@sensitive_variables("pair")
@transaction.atomic
def rotate(*, connection, overlap, reason=Reason.PLANNED, ends_at=None, by, op_id) -> keys.KeyPair:
    """Make a new App Key and Secret beside the ones in use, which live on for `overlap` hours (R17).

    `overlap` is one of Overlap; a set that ends earlier by itself still ends then. `reason` is one of
    Reason: NotPlanned is raised for what must end the old keys now. Raises StillRetiring while there is an
    older set, NoKeys when the keys have ended, and all that `create_new_keys` raises.
    """
    connection = _for_new_keys(connection, by, op_id)
    if reason != Reason.PLANNED:
        raise NotPlanned
    _end_overdue(connection.key_sets.overdue(), connection)
    older = connection.key_sets.retiring().first()
    if older:
        raise StillRetiring(older)
    current = connection.key_sets.current().first()
    if current is None:
        raise NoKeys
    current.rotated_at = timezone.now()
    until = current.rotated_at + timedelta(hours=Overlap(overlap))
    current.ends_at = min(until, current.ends_at or until)
    current.save(update_fields=["rotated_at", "ends_at"])
    pair = new_key_set(connection, by, op_id, ends_at)
    record_about(
        connection,
        Action.KEYS_ROTATED,
        by=by,
        app_key=pair.app_key,
        old=current.app_key,
        until=current.ends_at.isoformat(),
    )
    mail("keys_rotated", connection, by, until=current.ends_at)
    return pair


@sensitive_variables("pair")
@transaction.atomic
def replace_new_keys(*, connection, ends_at=None, by, op_id) -> keys.KeyPair:
    """Make other new keys in a planned change of which nobody has used the new ones: a lost Secret, say.

    The older keys live on as long as before. Raises NotRetiring without a planned change, StillRetiring when
    the new keys are in use, and all that `create_new_keys` raises.
    """
    connection = _for_new_keys(connection, by, op_id)
    older = connection.key_sets.live().retiring().first()
    if older is None:
        raise NotRetiring
    current = connection.key_sets.live().current()
    if current.filter(first_used_at__isnull=False).exists():
        raise StillRetiring(older)
    connection.key_sets.current().retire(KeySet.Retired.SUPERSEDED, by)
    pair = new_key_set(connection, by, op_id, ends_at)
    record_about(connection, Action.KEYS_REPLACED, by=by, app_key=pair.app_key)
    mail("keys_rotated", connection, by, until=older.ends_at)
    return pair


@transaction.atomic
def end_older(*, connection, by) -> None:
    """End the older keys of a planned change now (R17). Raises OutOfReach, NotYours, Ended, NotRetiring."""
    connection = locked(connection, by)
    older = connection.key_sets.retiring().first()
    if older is None or older.ended_because:
        raise NotRetiring
    connection.key_sets.retiring().retire(KeySet.Retired.ROTATED, by)
    record_about(connection, Action.KEYS_ENDED, by=by, app_key=older.app_key)


@transaction.atomic
def change_end(*, connection, ends_at, by) -> None:
    """Have the keys in use end at `ends_at`, or not by themselves: None. The older ones keep their end.

    Raises OutOfReach, NotYours, Ended, NoKeys.
    """
    connection = locked(connection, by)
    current = connection.key_sets.live().current().first()
    if current is None:
        raise NoKeys
    if current.ends_at == ends_at:
        return
    current.ends_at = ends_at
    current.save(update_fields=["ends_at"])
    _no_notice_of_now(current)
    until = ends_at.isoformat() if ends_at else ""
    record_about(connection, Action.KEYS_END_CHANGED, by=by, app_key=current.app_key, until=until)


def end_overdue(limit=ENDED_AT_ONCE) -> int:
    """Write down the end of keys whose time is over, at most `limit`, and answer how many there were.

    A call is refused from that time on anyhow; once that is written no clock brings them back.
    """
    overdue = KeySet.objects.overdue().order_by("ends_at").select_related("connection")[:limit]
    return sum(end_if_overdue(key_set) for key_set in list(overdue))


@transaction.atomic
def end_if_overdue(key_set) -> bool:
    """Write down the end of a set whose time is over, and answer whether this was the first to do so."""
    Organisation.objects.select_for_update(no_key=True).get(pk=key_set.connection.organisation_id)
    connection = Connection.objects.for_list().get(pk=key_set.connection_id)
    return bool(_end_overdue(KeySet.objects.overdue().filter(pk=key_set.pk), connection))


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
    mail("keys_found", connection, None)
    return True


def _for_new_keys(connection, by, op_id):
    """The connection, locked, when `by` may make keys for it now."""
    connection = locked(connection, by)
    refuse_second_click(op_id, connection.organisation)
    if connection.is_autopilot:
        raise WithoutKeys
    if not connection.owner_stands:
        raise OwnerGone(connection.owner)
    refuse_stopped(connection)
    refuse_more(connection, by)
    return connection


def _end_overdue(key_sets, connection):
    ended = list(key_sets.select_for_update(no_key=True))
    for key_set in ended:
        key_set.retired_because = key_set.ended_because
        key_set.retired_at = key_set.ends_at
        key_set.save(update_fields=["retired_because", "retired_at"])
        record_about(connection, Action.KEYS_ENDED, by=None, app_key=key_set.app_key)
    return len(ended)


def refuse_second_click(op_id, organisation):
    """Raise AlreadyCreated when the form of this name has made keys before (R14)."""
    earlier = KeySet.objects.filter(op_id=op_id).select_related("connection__organisation").first()
    if earlier:
        known = earlier.connection.organisation_id == organisation.pk
        raise AlreadyCreated(earlier if known else None)


@sensitive_variables("pair")
def new_key_set(connection, by, op_id, ends_at=None):
    """A new current set, which ends at `ends_at` if that is given. Raises AlreadyCreated."""
    pair = keys.make_pair()
    version = (connection.key_sets.aggregate(last=Max("version"))["last"] or 0) + 1
    try:
        with transaction.atomic():
            key_set = KeySet.objects.create(
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
                ends_at=ends_at,
                created_by=by,
            )
    except IntegrityError:
        raise AlreadyCreated from None
    _no_notice_of_now(key_set)
    return pair


def _no_notice_of_now(key_set):
    """Whoever chooses an end that is near knows it; no notice tells that person so at once."""
    past = expiry.past_notices(key_set.ends_at) if key_set.ends_at else []
    KeyNotice.objects.bulk_create(
        [
            KeyNotice(
                key_set=key_set,
                about=KeyNotice.About.EXPIRES,
                moment=key_set.ends_at,
                days=days,
            )
            for days in past
        ],
        ignore_conflicts=True,
    )


def mail(template, connection, by, **context):
    """Tell the owner and the administrators, each once (R54)."""
    people = set(User.objects.administrators_of(connection.organisation.environment))
    if connection.owner.is_active:
        people.add(connection.owner)
    tell(template, people, connection=connection, by=by, **context)
