"""What people are told of in time, once each (R54)."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from connections import expiry
from connections.models import Connection, KeyNotice, KeySet
from connections.services.keys import mail

REMINDED_AFTER = timedelta(days=7)
TOLD_AT_ONCE = 200
About = KeyNotice.About


@transaction.atomic
def remind_unused() -> int:
    """Tell the owners of keys that nobody has used for 7 days, once a set (R21); answers how many."""
    unused = Connection.objects.unused_for(REMINDED_AFTER)
    due = KeySet.objects.never_used().filter(
        connection__in=unused, created_at__lte=timezone.now() - REMINDED_AFTER
    )
    return _tell(due.order_by("created_at"), About.UNUSED, "created_at", "connection_unused")


@transaction.atomic
def warn_of_expiry() -> int:
    """Tell people 30, 7 and 1 days before keys end, and on the day, the way to rotate them; answers how many.

    Of several that are due only the last one is told.
    """
    ending = KeySet.objects.live().current().filter(connection__revoked_at__isnull=True)
    told = 0
    for days in expiry.NOTICE_DAYS:
        due = ending.filter(ends_at__lt=expiry.told_until(days)).order_by("ends_at")
        told += _tell(due, About.EXPIRES, "ends_at", "keys_expire", days)
    return told


@transaction.atomic
def warn_of_overlap() -> int:
    """Tell people before the older keys of a planned change end, when software still needs them (R17)."""
    due = [
        older
        for older, newer in _changing()
        if older.ends_soon and not older.is_silent_beside(newer)
    ]
    return _tell_of(due, About.OVERLAP_ENDS, "overlap_ends")


@transaction.atomic
def tell_safe_to_end() -> int:
    """Tell people that the older keys of a planned change can go: nobody has to look again (R17)."""
    due = [older for older, newer in _changing() if older.is_silent_beside(newer)]
    return _tell_of(due, About.SAFE_TO_END, "keys_safe_to_end")


def _changing():
    """The older sets of planned changes, each with the newer one."""
    retiring = KeySet.objects.live().retiring().filter(connection__revoked_at__isnull=True)
    newer = KeySet.objects.live().current().filter(connection__in=retiring.values("connection"))
    current = {it.connection_id: it for it in newer}
    return [(older, current.get(older.connection_id)) for older in retiring]


def _tell_of(key_sets, about, template):
    found = KeySet.objects.filter(pk__in=[key_set.pk for key_set in key_sets])
    return _tell(found.order_by("ends_at"), about, "ends_at", template)


def _tell(due, about, moment, template, days=0):
    """Write to the people of those who have not been told, and remember it; answers how many."""
    told = KeyNotice.objects.filter(
        key_set=OuterRef("pk"), about=about, moment=OuterRef(moment), days__lte=days
    )
    found = list(
        due.filter(~Exists(told))
        .select_for_update(no_key=True, of=["self"], skip_locked=True)
        .annotate(moment=F(moment))[:TOLD_AT_ONCE]
    )
    KeyNotice.objects.bulk_create(
        KeyNotice(key_set=it, about=about, moment=it.moment, days=days) for it in found
    )
    connections = Connection.objects.for_list().in_bulk([it.connection_id for it in found])
    for key_set in found:
        mail(template, connections[key_set.connection_id], None, key_set=key_set)
    return len(found)
