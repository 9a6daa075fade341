"""The connection pool: bounded, with time limits, and aware of servers that went away."""

import select
from typing import Any, Protocol

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

POOL_SIZE = 8
_POOL_WAIT_SECONDS = 2
_CONNECT_TIMEOUT_SECONDS = 3
_SERVER_OPTIONS = " ".join(
    (
        "-c lock_timeout=2000",
        "-c statement_timeout=10000",
        "-c idle_in_transaction_session_timeout=15000",
        "-c timezone=UTC",
    )
)


class _HasSocket(Protocol):
    def fileno(self) -> int: ...


def open_engine(url: URL, *, pool_size: int = POOL_SIZE) -> Engine:
    """Open a bounded pool; a caller waits two seconds for a connection, then gets a 503.

    Args:
        url: Where PostgreSQL is, with psycopg2 as its driver.
        pool_size: The most connections this process ever holds.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_use_lifo=True,
        # Without values, an error of the driver cannot carry a hash or a name into a log.
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            "options": _SERVER_OPTIONS,
            "application_name": "auth-service",
        },
    )
    event.listen(engine, "checkout", _refuse_dead_connection)
    return engine


def autocommit(engine: Engine) -> Engine:
    """Share the pool, but let each statement be its own transaction: one round trip, not three."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _refuse_dead_connection(connection: _HasSocket, _record: Any, _proxy: Any) -> None:
    # An idle PostgreSQL connection has nothing to say: a readable socket means that the server
    # closed it. Asking the kernel costs a microsecond; a ping would cost a round trip.
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        raise InvalidatePoolError
