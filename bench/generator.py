"""Fills a billing database with as many subscriptions and events as a run asks for."""

import hashlib
import uuid
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bench.postgres import Postgres
from bench.setting import ROOT

_STATEMENTS = ROOT / "bench/growth.sql"
_TABLES = ("users_user", "subscriptions_customer", "subscriptions_subscription")
_EVENTS = "webhooks_webhookevent"

# Constraints keep their indexes; building the others afterwards takes a third of the time.
_PLAIN_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes AS i
WHERE schemaname = 'public' AND tablename = ANY(%s)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = i.indexname)
"""


@dataclass(frozen=True)
class Scale:
    """How much a billing database holds."""

    subscriptions: int
    events: int


def fill(database: Postgres, name: str, scale: Scale) -> None:
    """Fill a freshly migrated billing database.

    Args:
        database: The server.
        name: The database's name.
        scale: How many rows.
    """
    with database.connect(name) as connection:
        indexes = connection.execute(_PLAIN_INDEXES, ([*_TABLES, _EVENTS],)).fetchall()
        for index, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
        _insert(connection, scale)
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE")
        # So that no checkpoint of all this falls into the measurements.
        connection.execute("CHECKPOINT")


def _insert(connection: psycopg.Connection, scale: Scale) -> None:
    values = {"subscriptions": scale.subscriptions, "events": scale.events}
    for statement in _STATEMENTS.read_text().split("\n----\n"):
        # Literals, because a server-side parameter would need a cast at each use.
        connection.execute(psycopg.ClientCursor(connection).mogrify(statement, values))


def user_id(number: int) -> str:
    """Return the SQL expression's id of a generated user, counted from 1."""
    digest = hashlib.md5(f"user{number}".encode(), usedforsecurity=False).hexdigest()
    return str(uuid.UUID(digest))
