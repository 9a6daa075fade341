"""Remembers the few kids that were just found to be nobody's."""

import threading
from collections import OrderedDict
from collections.abc import Callable

MAXIMUM_KIDS = 64
REMEMBERED_SECONDS = 60.0


class RecentlyUnknown:
    """A bounded memory of refused kids, so that a repeated one costs neither fetch nor wait."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Start empty.

        Args:
            now: A clock that never goes back.
        """
        self._now = now
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, kid: str) -> bool:
        with self._lock:
            return self._until.get(kid, float("-inf")) > self._now()

    def add(self, kid: str) -> None:
        """Remember a kid, forgetting the oldest one when there are too many."""
        with self._lock:
            self._until[kid] = self._now() + REMEMBERED_SECONDS
            self._until.move_to_end(kid)
            while len(self._until) > MAXIMUM_KIDS:
                self._until.popitem(last=False)

    def clear(self) -> None:
        """Forget all: a new key set may hold any of them."""
        with self._lock:
            self._until.clear()
