"""Whether this replica is about to stop: a file that the supervisor writes and all workers see."""

import os
from pathlib import Path

from auth_service.observability.metrics_directory import DRAINING, VARIABLE


def begin() -> None:
    """Let the load balancer know that no further requests are wanted here."""
    _flag().touch()


def has_begun() -> bool:
    """Whether the replica is about to stop."""
    # Without a supervisor, as in most tests, nothing is drained.
    return VARIABLE in os.environ and _flag().exists()


def _flag() -> Path:
    return Path(os.environ[VARIABLE], DRAINING)
