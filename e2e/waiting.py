"""Waiting for what happens in another process."""

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Wait for something to become true and return it.

    Args:
        condition: Asked again and again.
        seconds: How long, before it counts as not happening.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.1)
