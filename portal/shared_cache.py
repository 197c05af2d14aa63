"""Redis while it answers, and the memory of this process while it does not; loaded where there is a Redis."""

import logging
import time

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from portal.cache import Memory

log = logging.getLogger(__name__)

LEFT_ALONE = 5  # seconds, after which Redis is asked again
PATIENCE = 0.5  # seconds for one answer
FORGOTTEN_AFTER = 120  # seconds; windows are shorter


class _Redis(RedisCache):
    def count(self, names, window):
        """The same for all processes, in one round trip."""
        keys = [self.make_and_validate_key(f"{name}:{window}") for name in names]
        with self._cache.get_client(None, write=True).pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.incr(key)
            for key in keys:
                pipeline.expire(key, FORGOTTEN_AFTER)
            return pipeline.execute()[: len(keys)]


class RedisOrMemory(BaseCache):
    """What lies here counts tries to sign in and calls of the API, and decides nothing else.

    A Redis that is away costs exactness: every process then counts by itself. No page waits for it twice.
    """

    def __init__(self, server, params):
        super().__init__(params)
        options = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        self.redis = _Redis(server, params | {"OPTIONS": options | params.get("OPTIONS", {})})
        self._memory = Memory("while-redis-is-away", params | {"OPTIONS": {}})
        self._ask_again_at = 0.0

    def _do(self, name, *args, **kwargs):
        if time.monotonic() >= self._ask_again_at:
            try:
                return getattr(self.redis, name)(*args, **kwargs)
            except RedisError as error:
                log.warning("Redis does not answer (%s): counted in memory", type(error).__name__)
                self._ask_again_at = time.monotonic() + LEFT_ALONE
        return getattr(self._memory, name)(*args, **kwargs)

    def add(self, *args, **kwargs):
        return self._do("add", *args, **kwargs)

    def get(self, *args, **kwargs):
        return self._do("get", *args, **kwargs)

    def set(self, *args, **kwargs):
        return self._do("set", *args, **kwargs)

    def touch(self, *args, **kwargs):
        return self._do("touch", *args, **kwargs)

    def delete(self, *args, **kwargs):
        return self._do("delete", *args, **kwargs)

    def incr(self, *args, **kwargs):
        return self._do("incr", *args, **kwargs)

    def count(self, *args):
        return self._do("count", *args)

    def clear(self):
        return self._do("clear")
