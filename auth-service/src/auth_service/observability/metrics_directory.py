"""Where the workers leave their counts for whichever of them answers `/metrics`.

This module must not import prometheus_client: that reads the variable when it is imported.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def metrics_directory() -> Iterator[Path]:
    """Hand all workers of one server the same empty directory for their counts.

    A directory named by PROMETHEUS_MULTIPROC_DIR is emptied, because counts of an earlier run
    would be added to this one's; without the variable a temporary one is made and removed.
    """
    named = os.environ.get(VARIABLE)
    if named:
        directory = Path(named)
        directory.mkdir(parents=True, exist_ok=True)
        for leftover in directory.glob("*.db"):
            leftover.unlink()
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="auth-service-metrics-") as temporary:
        os.environ[VARIABLE] = temporary
        try:
            yield Path(temporary)
        finally:
            del os.environ[VARIABLE]
