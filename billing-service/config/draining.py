"""How a replica stops without losing a request; gunicorn's master and workers share a file.

On SIGTERM `/healthz` fails first, so that the gateway sends nothing more. The sockets close once it
has noticed, and requests in flight end.
"""

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any

# The folder that all processes of a replica share.
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def _flag() -> Path:
    return Path(os.environ[_FOLDER], "draining")


def has_begun() -> bool:
    """Whether the replica is about to stop."""
    return _FOLDER in os.environ and _flag().exists()


def drain_on_sigterm(master: Any, *, seconds: float) -> None:
    """Let gunicorn's master drain before it stops; a second SIGTERM stops it at once.

    Args:
        master: Gunicorn's arbiter, whose signal handlers are set.
        seconds: For the gateway to notice. Without any, SIGTERM stops the master as it does.
    """
    _flag().unlink(missing_ok=True)
    if not seconds:
        return

    def begin(number: int, frame: FrameType | None) -> None:
        if has_begun():
            master.signal(number, frame)
            return
        _flag().touch()
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def stop(_number: int, frame: FrameType | None) -> None:
        master.signal(signal.SIGTERM, frame)

    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGTERM, begin)
