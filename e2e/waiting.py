"""Waiting for what happens in another process."""

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Call a condition until its result is true, and return the last result.

    Args:
        condition: Called ten times a second.
        seconds: How long to wait.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.1)
