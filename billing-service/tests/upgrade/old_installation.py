"""An installation of version 23f2162: its database, and processes of this version on it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import httpx
import psycopg
from django.conf import settings
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

OLD_ROWS = Path(__file__).with_name("rows_of_23f2162.sql")
ALICE = UUID("60c234d4-b0be-40bc-896e-710f7598ea3d")
_FOLDER = Path(__file__).resolve().parents[2]
# The newest migrations of that version; those of Django and Procrastinate are the same today.
_SCHEMA_THEN = (
    *("users 0002", "subscriptions 0003", "webhooks 0002"),
    *("admin", "auth", "contenttypes", "sessions", "procrastinate"),
)
# In one process, since most of the time is its start.
_MIGRATE_EACH = """
import sys, django
from django.core.management import call_command
django.setup()
for each in sys.argv[1:]:
    call_command("migrate", *each.split())
"""
_LONG_SECONDS = 120.0

Rows = dict[str, dict[object, dict[str, object]]]


@contextlib.contextmanager
def own_database(prefix: str) -> Iterator[dict[str, str]]:
    """Make an empty database for the block; yield the environment of processes on it."""
    parts = urlsplit(settings.BILLING.database_url)
    name = f"{prefix}_{os.getpid()}"
    server = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    yield {**os.environ, "BILLING_DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}"))}
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def fill(environment: dict[str, str], rows: str) -> None:
    """Give the database the schema of that version, and rows."""
    _run(environment, "-c", _MIGRATE_EACH, *_SCHEMA_THEN)
    with psycopg.connect(environment["BILLING_DATABASE_URL"]) as connection:
        connection.execute(rows.encode())


def manage(environment: dict[str, str], *arguments: str) -> str:
    """Run a command of this version, which has to end with 0; return what it printed."""
    return _run(environment, "manage.py", *arguments)


def _run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=_FOLDER, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows_of(environment: dict[str, str]) -> Rows:
    """Read all tables: name to primary key to columns."""
    with psycopg.connect(environment["BILLING_DATABASE_URL"], row_factory=dict_row) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        return {
            (name := str(table["tablename"])): {
                row.get("id", str(row)): row
                for row in connection.execute(SQL("SELECT * FROM {}").format(Identifier(name)))
            }
            for table in tables
        }


@contextlib.contextmanager
def process(environment: dict[str, str], *command: str, log: Path) -> Iterator[None]:
    """Run a process of this version during the block."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=_FOLDER, env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def wait_until(condition: Callable[[], bool], *, log: Path) -> None:
    """Wait for something; a failure shows the log."""
    deadline = time.monotonic() + _LONG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether a process is ready."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False
