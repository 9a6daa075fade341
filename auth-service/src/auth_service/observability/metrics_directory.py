"""The directory through which prometheus_client adds up the metrics of all workers.

This module must not import prometheus_client, which reads the variable when it is imported.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# A file here says that the replica is about to stop (`draining.py`).
DRAINING = "draining"


@contextmanager
def metrics_directory() -> Iterator[Path]:
    """Set PROMETHEUS_MULTIPROC_DIR to an empty directory.

    If the variable is set, that directory is used and what an earlier run left there is removed.
    Otherwise a temporary directory is created, and removed at the end.
    """
    configured = os.environ.get(VARIABLE)
    if configured:
        directory = Path(configured)
        directory.mkdir(parents=True, exist_ok=True)
        for leftover in (*directory.glob("*.db"), directory / DRAINING):
            leftover.unlink(missing_ok=True)
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="auth-service-metrics-") as temporary:
        os.environ[VARIABLE] = temporary
        try:
            yield Path(temporary)
        finally:
            del os.environ[VARIABLE]
