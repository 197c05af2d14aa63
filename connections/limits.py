"""How often software may call: per key set and per organisation, counted by the minute in the cache.

The counters protect the portal and decide no right: a cache that is away lets calls go on, uncounted.
"""

import logging
import time
from typing import NamedTuple

from django.conf import settings
from django.core.cache import caches

from connections.callers import Caller

log = logging.getLogger(__name__)

WINDOW = 60


class Quota(NamedTuple):
    """How many calls are left of a limit; negative for a call that is one too many."""

    name: str
    most: int
    left: int
    seconds: int  # until all are back

    @property
    def policy(self) -> str:
        return f'"{self.name}";q={self.most};w={WINDOW}'

    @property
    def state(self) -> str:
        return f'"{self.name}";r={max(self.left, 0)};t={self.seconds}'


def spend(caller: Caller) -> list[Quota]:
    """Count a call of `caller` and answer what is left; nothing without limits, or without the cache."""
    limits = [
        ("key", caller.pk, settings.CALLS_PER_MINUTE),
        ("organisation", caller.connection.organisation_id, settings.ORGANISATION_CALLS_PER_MINUTE),
    ]
    limits = [limit for limit in limits if limit[2]]
    now = int(time.time())
    try:
        names = [f"calls:{name}:{pk}" for name, pk, _most in limits]
        counts = caches["limits"].count(names, now // WINDOW) if names else []
    except Exception:  # every cache has exceptions of its own
        log.exception("calls are not limited at the moment")
        return []
    seconds = WINDOW - now % WINDOW
    return [
        Quota(name, most, most - count, seconds)
        for (name, _pk, most), count in zip(limits, counts, strict=True)
    ]
