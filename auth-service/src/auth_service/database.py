"""The connection pools: bounded, with time limits, and aware of servers that went away."""

import select
from collections.abc import Mapping
from typing import Any, Protocol

from psycopg2.errors import UndefinedColumn, UndefinedTable
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

_TRANSACTION_POOL_SIZE = 4
STATEMENT_POOL_SIZE = 6
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

# What PostgreSQL says of tables that no migration has made yet.
UNDEFINED = (UndefinedTable, UndefinedColumn)
UNMIGRATED = "The database lacks tables of this release; run `auth-service migrate`."


class _Connection(Protocol):
    closed: int

    def fileno(self) -> int: ...


def open_engine(url: URL, *, pool_size: int = _TRANSACTION_POOL_SIZE) -> Engine:
    """Open a bounded pool; a caller waits two seconds for a connection, then gets a 503.

    Args:
        url: Where PostgreSQL is, with psycopg2 as its driver.
        pool_size: The most connections this pool ever holds.
    """
    return _open(url, pool_size=pool_size)


def open_statements(url: URL) -> Engine:
    """Open a pool in which every statement is its own transaction: one round trip, not three."""
    return _open(
        url,
        pool_size=STATEMENT_POOL_SIZE,
        isolation_level="AUTOCOMMIT",
        # Nothing is ever open that a reset could roll back.
        pool_reset_on_return=None,
    )


def one_row(statements: Engine, sql: str, parameters: Mapping[str, Any]) -> Any | None:
    """Run one statement on the bare driver, for the path that every client takes all day.

    Args:
        statements: A pool of `open_statements`.
        sql: With psycopg2's `%(name)s` places.
        parameters: By name.

    Returns:
        The first row as a tuple, if there is one.
    """
    connection = statements.raw_connection()
    try:
        with connection.cursor() as cursor:  # type: ignore[attr-defined] # psycopg2's own
            cursor.execute(sql, parameters)
            return cursor.fetchone()
    finally:
        connection.close()


def bare_rows(
    connection: Connection, sql: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Run one statement of an open connection on the bare driver, for the path of every log-in.

    Args:
        connection: Its transaction, if it has one, holds for the statement too.
        sql: With psycopg2's `%(name)s` places.
        parameters: By name.

    Returns:
        All rows; none where the statement returns no rows at all.
    """
    with connection.connection.cursor() as cursor:  # type: ignore[attr-defined] # psycopg2's own
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def lacks_schema(error: Exception) -> bool:
    """Say whether a statement failed because the database was not migrated."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, UNDEFINED)


def _open(url: URL, *, pool_size: int, **options: Any) -> Engine:
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
        **options,
    )
    event.listen(engine, "checkout", _refuse_dead_connection)
    return engine


def _refuse_dead_connection(connection: _Connection, _record: Any, _proxy: Any) -> None:
    # An idle PostgreSQL connection has nothing to say: a readable socket means that the server
    # closed it. Asking the kernel costs a microsecond; a ping would cost a round trip.
    if connection.closed or _is_readable(connection):
        raise InvalidatePoolError


def _is_readable(connection: _Connection) -> bool:
    # `select` would fail beyond file descriptor 1023.
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
