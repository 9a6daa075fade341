"""One PostgreSQL server for every contender."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from dev.programs.temporary_postgres import Server, temporary_postgres

# A checkpoint in the middle of one contender's turn would be counted as its own work. All else is
# PostgreSQL's default, durable commits included.
_OPTIONS = {"max_wal_size": "4GB", "log_line_prefix": "%m [%p] "}


@dataclass(frozen=True)
class Postgres(Server):
    """A running server, with connections to its databases."""

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open an autocommit connection."""
        return psycopg.connect(self.url(database), autocommit=True)

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server whose data is removed at the end."""
    with temporary_postgres(_OPTIONS) as server:
        yield Postgres(server.port, server.password, server.pid, server.log)
