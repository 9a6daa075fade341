"""The clock: passed in everywhere, so that tests move time instead of waiting for it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Read the real clock."""
    return datetime.now(UTC)
