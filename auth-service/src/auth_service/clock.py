"""The clock. It is passed in everywhere, so that tests can move time."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

Clock = Callable[[], datetime]


utc_now: Clock = partial(datetime.now, UTC)
