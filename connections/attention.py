"""What the first page says of the connections within reach: the numbers, and what needs attention.

Its queries are the longest of all to write, so they are written once for each kind of reader.
"""

from datetime import timedelta
from functools import cache

from django.db.models import Exists, Max, OuterRef, Q, Sum

from accounts.models import GivenReader
from accounts.roles import Permission
from connections.models import CallCount, Connection
from partners.models import Mandate
from portal.paging import COUNTED, number
from portal.prepared import Prepared, given_list

SHOWN = 5
UNUSED_AFTER = timedelta(hours=24)

# What names a connection in a row about its calls.
_NAMED = [
    f"key_set__connection__{name}"
    for name in (
        "organisation__organisation_id",
        "organisation__name",
        "number",
        "name",
        "app__name",
        "revoked_at",
        "mandate__uuid",
    )
]


def state_of(user) -> dict:
    """How the connections are that `user` reaches, and what somebody has to do about which."""
    many, sees_all = user.is_member_of_many, user.may(Permission.MANAGE_PARTNERS)
    given = {"user": user.pk, "environment": user.environment_id}
    if not many:
        given["organisations"] = user.reached()
    state = {name: query.rows(**given) for name, query in _queries(many, sees_all).items()}
    for name in ("active", "never_used"):
        state[name] = number(len(state[name]))
    state["refused"] = sum(calls for (calls,) in state["refused"])
    return state | _listed({name: [pk for (pk,) in state[name]] for name in _LISTS})


_LISTS = ["stopped", "without_keys", "expiring", "unused"]
_SHOWN = Prepared(
    lambda: Connection.objects.for_list().filter(pk__in=given_list("them", SHOWN * len(_LISTS)))
)


def _listed(numbers):
    """The connections with these primary keys, all of them by one query."""
    them = {pk for listed in numbers.values() for pk in listed}
    found = {it.pk: it for it in _SHOWN.rows(them=list(them))} if them else {}
    return {name: [found[pk] for pk in listed if pk in found] for name, listed in numbers.items()}


@cache
def _queries(many, sees_all):
    """For a member of many organisations; the others are told which they are.

    `sees_all` says whether the reader sees all clients. Software that still calls with keys of an ended
    partnership is told to both sides (R20).
    """
    reader = GivenReader(is_member_of_many=many, sees_all_clients=sees_all)
    connections = Connection.objects.listed().within_reach_of(reader)
    refused = CallCount.objects.refused().filter(key_set__connection__in=connections)
    within_reach = Exists(connections.filter(pk=OuterRef("key_set__connection")))
    looked_after = Mandate.objects.seen_by(reader)
    still = CallCount.objects.still_calling().filter(
        within_reach | Q(key_set__connection__mandate__in=looked_after)
    )
    unused = connections.unused_for(UNUSED_AFTER)
    found = {
        "active": _counted(connections.working()),
        "never_used": _counted(connections.never_used()),
        "refused": refused.of_today().values("day").annotate(all=Sum("calls")).values_list("all"),
        "refusing": _by_connection(refused.with_live_keys().of_today()),
        "stopped": connections.stopped().values_list("pk")[:SHOWN],
        "without_keys": connections.without_keys().values_list("pk")[:SHOWN],
        "expiring": connections.expiring().values_list("pk")[:SHOWN],
        "unused": unused.order_by("-created_at").values_list("pk")[:SHOWN],
        "still_calling": _by_connection(still.annotate(within_reach=within_reach), "within_reach"),
    }
    return {name: Prepared(lambda it=it: it) for name, it in found.items()}


def _counted(connections):
    """As many as a count needs to see."""
    return connections.values_list("pk")[: COUNTED + 1]


def _by_connection(calls, *more):
    """Of the connections with these calls those that called last, and how often."""
    return (
        calls.values(*_NAMED, *more)
        .annotate(calls=Sum("calls"), last_at=Max("last_at"))
        .order_by("-last_at")[:SHOWN]
    )
