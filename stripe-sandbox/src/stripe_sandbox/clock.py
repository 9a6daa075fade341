"""Tells the sandbox's own time; test clocks are objects and stand in the store."""

import time


class Clock:
    """Wall-clock time, or a fixed instant for tests that need equal output."""

    def __init__(self, *, fixed: int | None = None) -> None:
        self.fixed = fixed

    def now(self) -> int:
        """Seconds since the epoch."""
        return int(time.time()) if self.fixed is None else self.fixed

    @staticmethod
    def wall() -> float:
        """Wall-clock seconds, which signatures and retries always follow."""
        return time.time()
