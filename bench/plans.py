"""How PostgreSQL carries out the statements that a request really sends."""

import re
import time
from collections.abc import Callable

import psycopg

from bench.postgres import Postgres

_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\] LOG:  statement: ", re.MULTILINE)
_NEXT = re.compile(r"^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\] ", re.MULTILINE)
_EXPLAINABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


def plans_of(database: Postgres, name: str, work: Callable[[], None]) -> list[str]:
    """Log the statements that some work causes and return each one's plan.

    Args:
        database: The server, with no other user.
        name: The database the work uses.
        work: For example one request.
    """
    with database.connect() as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        # Every backend notices between two of its statements.
        time.sleep(1)
        before = database.log.stat().st_size
        work()
        connection.execute("ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")
    with database.log.open() as file:
        file.seek(before)
        statements = statements_in(file.read())
    with database.connect(name) as connection:
        return [_plan(connection, statement) for statement in statements]


def _plan(connection: psycopg.Connection, statement: str) -> str:
    # Costs and widths say more about the machine's settings than about the path taken.
    rows = connection.execute(f"EXPLAIN (COSTS OFF) {statement}".encode()).fetchall()
    return "\n".join(line for (line,) in rows)


def statements_in(log: str) -> list[str]:
    """Find the statements worth explaining in a server's log, in their order."""
    found = []
    for entry in _ENTRY.finditer(log):
        following = _NEXT.search(log, entry.end())
        statement = log[entry.end() : following.start() if following else None].strip()
        if statement.upper().startswith(_EXPLAINABLE):
            found.append(statement)
    return found
