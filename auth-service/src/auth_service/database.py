"""The connection pools: bounded, with timeouts, and without connections the server has closed."""

import select
from typing import Any, Protocol

from psycopg2.errors import UndefinedColumn, UndefinedTable
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

_TRANSACTION_POOL_SIZE = 4
AUTOCOMMIT_POOL_SIZE = 6
_POOL_WAIT_SECONDS = 2
_CONNECT_TIMEOUT_SECONDS = 3
_APPLICATION_NAME = "auth-service"
# Timeouts in milliseconds.
_SERVER_OPTIONS = (
    "-c lock_timeout=2000 -c statement_timeout=10000 -c idle_in_transaction_session_timeout=15000"
    " -c timezone=UTC"
)

# PostgreSQL's errors for tables and columns that no migration has created yet.
SCHEMA_ERRORS = (UndefinedTable, UndefinedColumn)
NOT_MIGRATED = "The database schema is older than this release. Run `auth-service migrate`."


class _Connection(Protocol):
    closed: int

    def fileno(self) -> int: ...


def open_engine(
    url: URL,
    *,
    pool_size: int = _TRANSACTION_POOL_SIZE,
    application_name: str = _APPLICATION_NAME,
) -> Engine:
    """Open a pool for transactions.

    Args:
        url: A PostgreSQL database, with psycopg2 as its driver.
        pool_size: The most connections the pool holds. A caller waits two seconds for one and
            then gets SQLAlchemy's TimeoutError, which becomes a 503.
        application_name: How PostgreSQL's list of sessions names the process.
    """
    return _open(url, pool_size=pool_size, application_name=application_name)


def open_autocommit_engine(url: URL) -> Engine:
    """Open a pool where each statement is its own transaction: one round trip instead of three."""
    return _open(
        url,
        pool_size=AUTOCOMMIT_POOL_SIZE,
        isolation_level="AUTOCOMMIT",
        # No transaction is ever open, so there is nothing to roll back.
        pool_reset_on_return=None,
    )


def is_schema_missing(error: Exception) -> bool:
    """Say whether a statement failed because the database was not migrated."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, SCHEMA_ERRORS)


def _open(
    url: URL, *, pool_size: int, application_name: str = _APPLICATION_NAME, **options: Any
) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_use_lifo=True,
        # Keeps password hashes and usernames out of the driver's errors, and so out of the log.
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            "options": _SERVER_OPTIONS,
            "application_name": application_name,
        },
        **options,
    )
    event.listen(engine, "checkout", _discard_closed_connection)
    return engine


def _discard_closed_connection(connection: _Connection, _record: Any, _proxy: Any) -> None:
    # PostgreSQL sends nothing on an idle connection, so a readable socket means that it closed
    # it. Asking the kernel costs a microsecond; a ping would cost a round trip.
    if connection.closed or _is_readable(connection):
        raise InvalidatePoolError


def _is_readable(connection: _Connection) -> bool:
    # Not `select`, which fails for file descriptors above 1023.
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
