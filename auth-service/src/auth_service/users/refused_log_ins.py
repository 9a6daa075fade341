"""Writes refused log-ins to the audit log: the first at once, repetitions counted.

A flood of guesses must not become a flood of rows. So refusals are counted in memory, by account,
address and reason, and written by a thread of this worker. That also keeps the write out of the
response, which takes the same time for every reason.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from auth_service import audit
from auth_service.audit import Event, Origin
from auth_service.clock import Clock

FLUSH_INTERVAL_SECONDS = 2.0
# How long repetitions are counted before they are written as one event.
COUNTING_WINDOW = timedelta(minutes=10)
# Of accounts and addresses within a window; what exceeds it is counted without them.
MOST_COUNTS = 500
_SEVERAL_ADDRESSES = "several addresses"

logger = logging.getLogger(__name__)


class Reason(StrEnum):
    """Why a log-in was refused; callers learn it for the last one alone."""

    UNKNOWN_USER = "unknown_user"
    INACTIVE_USER = "inactive_user"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 # a reason
    TOO_MANY_ATTEMPTS = "too_many_attempts"


class _Key(NamedTuple):
    user_id: UUID | None
    client_ip: str
    reason: Reason


@dataclass(slots=True)
class _Count:
    latest_at: datetime
    user_agent: str
    times: int = 0
    written_at: datetime | None = None


class RefusedLogIns:
    """The refusals of this worker that are not written yet.

    What was typed for an unknown name is not kept: it may be a password. A process that is killed
    loses at most what it has counted since the last write.
    """

    def __init__(self, engine: Engine, *, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._counts: dict[_Key, _Count] = {}
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refused log-ins", daemon=True)

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread.start()

    def stop(self) -> None:
        """Write everything that is counted."""
        self._stopping.set()
        self._thread.join(timeout=5)
        self.flush(everything=True)

    def note(
        self, reason: Reason, *, user_id: UUID | None, client_ip: str, user_agent: str
    ) -> None:
        """Count a refusal; takes microseconds.

        Args:
            user_id: The account that was to be logged in; None if there is none of this name.
        """
        key, now = _Key(user_id, client_ip, reason), self._clock()
        with self._lock:
            if key not in self._counts and len(self._counts) >= MOST_COUNTS:
                key, user_agent = _Key(None, _SEVERAL_ADDRESSES, reason), ""
            count = self._counts.setdefault(key, _Count(now, user_agent))
            count.times += 1
            count.latest_at = now

    def flush(self, *, everything: bool = False) -> None:
        """Write what is due: the first refusal of each kind, and counts whose window has ended.

        Args:
            everything: Write counts before the end of their window, too.
        """
        with self._flushing:
            now = self._clock()
            due = self._due(now, everything=everything)
            if not due:
                return
            try:
                with self._engine.begin() as connection:
                    audit.record_all(connection, [_event(key, count) for key, count in due])
            except SQLAlchemyError as error:
                # They stay counted for the next write. /readyz reports a missing database.
                logger.warning("refused log-ins not written: %s", type(error).__name__)
                return
            with self._lock:
                for key, written in due:
                    self._counts[key].times -= written.times
                    self._counts[key].written_at = now

    def _due(self, now: datetime, *, everything: bool) -> list[tuple[_Key, _Count]]:
        with self._lock:
            due = []
            for key, count in list(self._counts.items()):
                is_open = count.written_at is not None and now - count.written_at < COUNTING_WINDOW
                if is_open and not everything:
                    continue
                if count.times:
                    due.append((key, _Count(count.latest_at, count.user_agent, count.times)))
                else:
                    del self._counts[key]
            return due

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_INTERVAL_SECONDS):
            self.flush()


def _event(key: _Key, count: _Count) -> Event:
    return Event(
        at=count.latest_at,
        action="login.refused",
        origin=Origin(client=key.client_ip, user_agent=count.user_agent),
        user_id=key.user_id,
        detail={"reason": key.reason.value, "times": count.times},
    )
