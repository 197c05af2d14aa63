"""How often software may call: per key set and per organisation, counted by the minute in the cache.

The counters protect the portal and decide no right: a cache that is away lets calls go on, uncounted.
"""

import logging
import time
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches

from connections.models import KeySet

log = logging.getLogger(__name__)

WINDOW = 60


@dataclass(frozen=True)
class Quota:
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


def spend(key_set: KeySet) -> list[Quota]:
    """Count a call of `key_set` and answer what is left; nothing without limits, or without the cache."""
    limits = {
        "key": (key_set.pk, settings.CALLS_PER_MINUTE),
        "organisation": (
            key_set.connection.organisation_id,
            settings.ORGANISATION_CALLS_PER_MINUTE,
        ),
    }
    now = int(time.time())
    seconds = WINDOW - now % WINDOW
    try:
        return [
            Quota(name, most, most - _count(f"calls:{name}:{pk}:{now // WINDOW}"), seconds)
            for name, (pk, most) in limits.items()
            if most
        ]
    except Exception:  # every cache has exceptions of its own
        log.exception("calls are not limited at the moment")
        return []


def _count(key):
    cache = caches["limits"]
    cache.add(key, 0, 2 * WINDOW)
    return cache.incr(key)
