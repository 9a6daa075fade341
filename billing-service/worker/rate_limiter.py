"""How fast a worker calls Stripe, so that a burst of events leaves room for people who subscribe.

Stripe answers 100 requests a second of a live account and 25 in test mode, and refuses the rest:
https://docs.stripe.com/rate-limits
"""

import threading
import time
from collections.abc import Callable


class RateLimiter:
    """Lets so many pass at once and so many a second after that; shared by threads.

    Args:
        per_second: How many pass each second in the long run.
        at_once: How many of them may have been saved up.
        clock: Seconds that only grow.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        *,
        per_second: float,
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval_seconds = 1 / per_second
        self._saved_seconds = at_once / per_second
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._due = clock() - self._saved_seconds

    def wait(self) -> None:
        """Return when the caller's turn has come."""
        with self._lock:
            now = self._clock()
            self._due = max(self._due, now - self._saved_seconds) + self._interval_seconds
            seconds = self._due - now
        if seconds > 0:
            self._sleep(seconds)

    def wait_for_room(self) -> None:
        """Return when a turn would come at once, without taking a turn."""
        with self._lock:
            seconds = self._due - self._clock()
        if seconds > 0:
            self._sleep(seconds)
