"""Housekeeping: what has expired is deleted in small transactions, by one process at a time."""

import logging
import random
import threading

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from auth_service.clock import Clock
from auth_service.passwords import login_throttle
from auth_service.tokens.refresh_families import RefreshFamilies
from auth_service.users import idempotency

_EVERY_SECONDS = 600.0
_BATCH = 1000
# Any constant that differs from those of other advisory locks in this database.
_LOCK_ID = 7_204_312

logger = logging.getLogger(__name__)


class Housekeeping:
    """A thread of this worker that tidies up now and then.

    Args:
        engine: The pool of this process.
        families: Of which the expired ones go.
        clock: What has expired is a question of time.
    """

    def __init__(self, engine: Engine, *, families: RefreshFamilies, clock: Clock) -> None:
        self._engine = engine
        self._families = families
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin; the first round comes after a random while, so that workers spread out."""
        self._thread.start()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        wait = random.uniform(0, _EVERY_SECONDS)  # noqa: S311 # spreads load, guards nothing
        while not self._stopping.wait(wait):
            wait = _EVERY_SECONDS
            try:
                tidy_up(self._engine, families=self._families, clock=self._clock)
            except SQLAlchemyError as error:
                # The next round finds the same work; a database that is away is told elsewhere.
                logger.warning("housekeeping postponed: %s", type(error).__name__)


def tidy_up(engine: Engine, *, families: RefreshFamilies, clock: Clock) -> None:
    """Delete what has expired, unless another process is at it."""
    with engine.connect() as connection:
        lock = text("SELECT pg_try_advisory_lock(:id)")
        is_ours = connection.execute(lock, {"id": _LOCK_ID}).scalar_one()
        connection.commit()
        if not is_ours:
            return
        try:
            removed = families.purge(now=clock()) + _purge_small(engine, clock=clock)
            logger.info("housekeeping removed %d rows", removed)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": _LOCK_ID})
            connection.commit()


def _purge_small(engine: Engine, *, clock: Clock) -> int:
    with engine.begin() as connection:
        removed = idempotency.purge(connection, now=clock())
    while True:
        with engine.begin() as connection:
            batch = login_throttle.purge(connection, now=clock(), limit=_BATCH)
        removed += batch
        if batch < _BATCH:
            return removed
