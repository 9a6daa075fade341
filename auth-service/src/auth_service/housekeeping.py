"""Deletes expired rows, in small transactions and in one process at a time."""

import logging
import random
import threading

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from auth_service import audit, queries
from auth_service.audit import Retention
from auth_service.clock import Clock
from auth_service.mail import outbox
from auth_service.passwords import login_throttle
from auth_service.second_factor import challenges
from auth_service.tokens import one_time
from auth_service.tokens.refresh_families import RefreshFamilies
from auth_service.users import account_requests, idempotency
from auth_service.users.confusable_names import fill_skeletons

_INTERVAL_SECONDS = 600.0
_BATCH_SIZE = 1000
# Any constant that differs from those of other advisory locks in this database.
_LOCK_ID = 7_204_312

logger = logging.getLogger(__name__)


class Housekeeping:
    """A thread of this worker that deletes expired rows every ten minutes."""

    def __init__(
        self, engine: Engine, *, families: RefreshFamilies, retention: Retention, clock: Clock
    ) -> None:
        self._engine = engine
        self._retention = retention
        self._families = families
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Start the thread. Its first run comes after a random wait, so that workers spread out."""
        self._thread.start()

    def stop(self) -> None:
        """Wait until the current batch is deleted, for at most five seconds."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        wait = random.uniform(0, _INTERVAL_SECONDS)  # noqa: S311 # spreads load, guards nothing
        while not self._stopping.wait(wait):
            wait = _INTERVAL_SECONDS
            try:
                delete_expired(
                    self._engine,
                    families=self._families,
                    retention=self._retention,
                    clock=self._clock,
                )
            except SQLAlchemyError as error:
                # The next run deletes the same rows. /readyz reports a missing database.
                logger.warning("housekeeping skipped: %s", type(error).__name__)


def delete_expired(
    engine: Engine,
    *,
    families: RefreshFamilies,
    clock: Clock,
    retention: Retention = Retention(),  # noqa: B008 # it cannot be changed
) -> None:
    """Delete all expired rows, unless another process is doing so."""
    # The lock belongs to the session, and a transaction must not stay open meanwhile.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not queries.try_advisory_lock(connection, _LOCK_ID):
            return
        try:
            fill_skeletons(engine)
            deleted = families.delete_expired(now=clock())
            deleted += _delete_from_small_tables(engine, clock=clock)
            deleted += _delete_events(engine, retention, clock=clock)
            logger.info("housekeeping deleted %d rows", deleted)
        finally:
            queries.release_advisory_lock(connection, _LOCK_ID)


def _delete_from_small_tables(engine: Engine, *, clock: Clock) -> int:
    with engine.begin() as connection:
        deleted = sum(
            delete(connection, now=clock())
            for delete in (
                idempotency.delete_expired,
                challenges.delete_expired,
                outbox.delete_expired,
                one_time.delete_expired,
                account_requests.delete_expired,
            )
        )
    while True:
        with engine.begin() as connection:
            batch = login_throttle.delete_expired(connection, now=clock(), limit=_BATCH_SIZE)
        deleted += batch
        if batch < _BATCH_SIZE:
            return deleted


def _delete_events(engine: Engine, retention: Retention, *, clock: Clock) -> int:
    deleted = 0
    while True:
        with engine.begin() as connection:
            batch = audit.delete_expired(connection, retention, now=clock(), limit=_BATCH_SIZE)
        deleted += batch
        if batch < _BATCH_SIZE:
            return deleted
