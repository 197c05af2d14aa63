"""The memory of this process as a cache, which counts calls too."""

import threading
from collections import Counter

from django.core.cache.backends.locmem import LocMemCache


class Memory(LocMemCache):
    """The memory of this process."""

    _lock, _window, _counts = threading.Lock(), None, Counter()

    def count(self, names: list[str], window: int) -> list[int]:
        """Count one more of each name, and answer how many they are since this window of time began."""
        with self._lock:
            if window != Memory._window:
                Memory._window, Memory._counts = window, Counter()
            counts = Memory._counts
            for name in names:
                counts[name] += 1
            return [counts[name] for name in names]

    def clear(self):
        super().clear()
        Memory._window = None
