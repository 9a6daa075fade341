"""The SQLite file that holds every object, and the units of work on it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson

from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import InvalidRequest, ResourceMissing, StripeError
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.state import TestClockState
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.settings import BadSetting
from stripe_sandbox.storage.ids import Identifiers
from stripe_sandbox.storage.index import SCHEMA as INDEX_SCHEMA
from stripe_sandbox.storage.index import (
    Bounds,
    Condition,
    Entries,
    Index,
    Position,
    count,
    distinct,
    select,
    text,
)
from stripe_sandbox.storage.kinds import KINDS, TEST_CLOCK, Kind
from stripe_sandbox.storage.upgrade import upgrade

T = TypeVar("T", bound=Thing)
S = TypeVar("S")

# In a selection: the field has no value.
NOTHING = object()


@dataclass(frozen=True)
class Except:
    """In a selection: the field has another value than this one, or none."""

    value: Any


_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  created INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS due (
  object TEXT NOT NULL, action TEXT NOT NULL, clock TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (object, action)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due_by_time ON due (clock, at);
CREATE TABLE IF NOT EXISTS idempotent_results (
  key TEXT PRIMARY KEY, route TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL,
  body TEXT NOT NULL, request_id TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
  id INTEGER PRIMARY KEY, event TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, next_attempt REAL, created REAL NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (state, next_attempt);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS delivery_attempts (
  id INTEGER PRIMARY KEY, delivery INTEGER NOT NULL, at REAL NOT NULL, status INTEGER,
  outcome TEXT NOT NULL, milliseconds INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS delivery_attempts_by_delivery ON delivery_attempts (delivery);
CREATE TABLE IF NOT EXISTS account (id TEXT PRIMARY KEY, live INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Store:
    """The data file. One process writes it, from one thread."""

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        deterministic: bool = False,
        live: bool = False,
        after_last_retry: str = "cancel",
        public_url: str = "http://localhost:12111",
        account_name: str = "Stripe sandbox",
    ) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A killed process loses nothing: the operating system still holds what was
        # written. Only a power cut could, and a sandbox need not fsync for that.
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.executescript(_SCHEMA + INDEX_SCHEMA)
        self.clock = clock
        self.public_url = public_url
        self.account_name = account_name
        self.after_last_retry = after_last_retry
        self.ids = Identifiers(deterministic=deterministic, counter=self._counter())
        self.account_id, self.live = self._account(live=live)
        self.on_commit: list[Callable[[list[Json]], None]] = []
        # When to deliver an event of a type: one delay in seconds per copy.
        self.delivery_delays: Callable[[str], list[float]] = lambda _type: [0.0]
        self.index = Index(self.connection)
        upgrade(self.connection, self.index)

    def _account(self, *, live: bool) -> tuple[str, bool]:
        """The id of this data file's account, and whether it is in live mode.

        Raises:
            BadSetting: Live mode is asked of a file that is in test mode.
        """
        columns = self.connection.execute("PRAGMA table_info(account)").fetchall()
        if "live" not in {column[1] for column in columns}:
            self.connection.execute("ALTER TABLE account ADD COLUMN live INTEGER DEFAULT 0")
        self.connection.execute(
            "INSERT INTO account SELECT ?, ? WHERE NOT EXISTS (SELECT * FROM account)",
            (self.ids.account(), live),
        )
        identifier, mode = self.connection.execute("SELECT id, live FROM account").fetchone()
        if live and not mode:
            raise BadSetting("--live: the data file is in test mode, and a file keeps its mode")
        return str(identifier), bool(mode)

    def _counter(self) -> int:
        row = self.connection.execute("SELECT value FROM counters WHERE name = 'ids'").fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def work(self) -> Iterator["Work"]:
        """A unit of work: all of it is stored, or nothing.

        A refusal that `keeps_work` commits before it goes on its way.
        """
        work = Work(self)
        try:
            yield work
        except StripeError as refusal:
            if refusal.keeps_work:
                work.commit()
            else:
                work.rollback()
            raise
        except BaseException:
            work.rollback()
            raise
        work.commit()

    def close(self) -> None:
        """Close the file; nothing is pending between units of work."""
        self.connection.close()


class Work:
    """Objects read and changed by one request, one due action or one click.

    Attributes:
        request: The `request` of the events that this unit of work records.
        events: The events it has recorded.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ids = store.ids
        self.public_url = store.public_url
        self.live = store.live
        self.request: Json = {"id": None, "idempotency_key": None}
        self.events: list[Json] = []
        self._loaded: dict[str, Json] = {}
        self._dirty: dict[str, Json] = {}
        self._state_texts: dict[str, str] = {}
        self._states: dict[str, Any] = {}
        # By id: the object as its last event shows it, its place, and its entries in the index.
        self._announced: dict[str, str] = {}
        self._positions: dict[str, Position] = {}
        self._entries: dict[str, Entries] = {}
        # By kind and question: what was found, until an object of that kind is written.
        self._found: dict[str, dict[Any, list[str]]] = {}
        self._open = False

    def execute(self, sql: str, values: tuple[Any, ...] | Json = ()) -> sqlite3.Cursor:
        """Run a writing statement inside this unit of work."""
        if not self._open:
            self.store.connection.execute("BEGIN IMMEDIATE")
            self._open = True
        return self.store.connection.execute(sql, values)

    def query(self, sql: str, values: tuple[Any, ...] | list[Any] = ()) -> list[Any]:
        """Rows as they are with this unit's own changes."""
        self.flush()
        return self.store.connection.execute(sql, values).fetchall()

    def now(self, clock: str | None = None) -> int:
        """Seconds since the epoch on a test clock, or on the sandbox's own clock."""
        if clock:
            return self.state(self.get(TEST_CLOCK, clock), TestClockState).reached
        return self.store.clock.now()

    def create(self, kind: Kind[T], values: Json) -> T:
        """Store a new object of the SDK's shape, with an id and a creation time.

        Raises:
            InvalidRequest: A caller chose an id that is taken.
        """
        fields = response_shapes.resource(kind.name).fields
        if "id" in values and self.find_any(values["id"]):
            raise InvalidRequest(
                f"{kind.noun.capitalize()} already exists.",
                code="resource_already_exists",
                param="id",
            )
        values.setdefault("id", self.ids.new(kind.prefix))
        if "created" in fields:
            values.setdefault("created", self.now())
        if "livemode" in fields:
            values.setdefault("livemode", self.live)
        return cast(T, self._add(response_shapes.new(kind.name, values)))

    def _add(self, thing: Json) -> Json:
        created = int(thing.get("created") or self.now())
        row = self.execute(
            "INSERT INTO objects (id, kind, created, data) VALUES (?, ?, ?, '{}')",
            (thing["id"], thing["object"], created),
        )
        self._loaded[thing["id"]] = thing
        self._positions[thing["id"]] = Position(created, row.lastrowid or 0)
        self._entries[thing["id"]] = set()
        self._dirty[thing["id"]] = thing
        self._found.pop(thing["object"], None)
        return thing

    def save(self, thing: T) -> T:
        """Keep the changes made to an object of this unit of work.

        Nested objects that a request gave in part are filled up on the way.
        """
        whole = cast(Json, thing)
        whole.update(response_shapes.new(thing["object"], whole))
        self._dirty[thing["id"]] = whole
        return thing

    def state(self, thing: Thing, shape: type[S]) -> S:
        """What the sandbox keeps beside an object; changes are stored with this unit of work.

        Args:
            thing: An object that was created or read in this unit of work.
            shape: The dataclass for its kind, from `stripe_sandbox.objects.state`.
        """
        identifier = thing["id"]
        if identifier not in self._states:
            stored = orjson.loads(self._state_texts.get(identifier, "{}"))
            self._states[identifier] = shape(**stored)
        return cast(S, self._states[identifier])

    def set_state(self, thing: Thing, state: Any) -> None:
        """Set the state of an object that was created in this unit of work."""
        self._states[thing["id"]] = state

    def find_any(self, identifier: str | None) -> Json | None:
        """The object with this id, whatever its kind; a deleted customer is marked as such."""
        if identifier and identifier not in self._loaded:
            row = self.store.connection.execute(
                "SELECT data, state FROM objects WHERE id = ?", (identifier,)
            ).fetchone()
            if row is None:
                return None
            self._keep(identifier, *row)
        return self._loaded[identifier] if identifier else None

    def find(self, kind: Kind[T], identifier: str | None) -> T | None:
        """The object with this id, or None if there is none of this kind."""
        found = self.find_any(identifier)
        if found is None or found["object"] != kind.name or found.get("deleted"):
            return None
        return cast(T, found)

    def get(
        self, kind: Kind[T], identifier: str | None, *, param: str = "id", status: int = 404
    ) -> T:
        """The object with this id.

        Raises:
            ResourceMissing: There is none of this kind.
        """
        found = self.find(kind, identifier)
        if found is None:
            raise ResourceMissing(kind.noun, identifier or "", param=param, status=status)
        return found

    def referenced(self, kind: Kind[T], identifier: str, *, param: str) -> T:
        """An object that a parameter names; a wrong id is the caller's mistake, a 400."""
        return self.get(kind, identifier, param=param, status=400)

    def delete(self, thing: Thing) -> Json:
        """Delete an object, and answer what Stripe answers for it."""
        identifier = thing["id"]
        gone = {"id": identifier, "object": thing["object"], "deleted": True}
        self.flush()
        self.execute("DELETE FROM due WHERE object = ?", (identifier,))
        position = self.position(identifier)
        if position:
            self.store.index.remove(position.seq)
        if KINDS[thing["object"]].shown_deleted:
            self.execute(
                "UPDATE objects SET deleted = 1, data = ?, state = '{}' WHERE id = ?",
                (orjson.dumps(gone).decode(), identifier),
            )
        else:
            self.execute("DELETE FROM objects WHERE id = ?", (identifier,))
        for known in self._known:
            known.pop(identifier, None)
        self._found.pop(thing["object"], None)
        return gone

    def all(self, kind: Kind[T], where: Json) -> list[T]:
        """Every object of a kind whose linked fields have these values, oldest first."""
        return self.newest(kind, where)[::-1]

    def newest(
        self,
        kind: Kind[T],
        where: Json,
        *,
        limit: int = -1,
        before: Position | None = None,
        after: Position | None = None,
        created: Json | None = None,
    ) -> list[T]:
        """Objects of a kind, newest first.

        Args:
            kind: Which objects.
            where: Linked fields and their values; a list means any of them,
                `NOTHING` that there is no value, `Except` any other value.
            limit: How many at most; -1 for all.
            before: Only those that stand before this position.
            after: Only those that stand after this position, the nearest first taken.
            created: `gt`, `gte`, `lt`, `lte` bounds.
        """
        conditions = [_condition(field, wanted) for field, wanted in where.items()]
        bounds = Bounds(before=before, after=after, created=tuple((created or {}).items()))
        return self.matching(kind, conditions, bounds, limit=limit)

    def matching(
        self,
        kind: Kind[T],
        conditions: list[Condition],
        bounds: Bounds,
        *,
        limit: int,
        any_of: bool = False,
    ) -> list[T]:
        """Objects of a kind that fulfil conditions, newest first.

        Args:
            kind: Which objects.
            conditions: On indexed fields.
            bounds: Which part of the order.
            limit: How many at most; -1 for all.
            any_of: Whether one condition is enough.
        """
        self._flush(kind.name)
        known = self._found.setdefault(kind.name, {})
        question = (tuple(conditions), bounds, limit, any_of)
        if question not in known:
            rows = select(
                self.store.connection, kind.name, conditions, bounds, limit=limit, any_of=any_of
            )
            known[question] = [row[0] for row in rows]
            for row in rows:
                if row[0] not in self._loaded:
                    self._keep(*row)
        found = [self._loaded[identifier] for identifier in known[question]]
        return cast(list[T], found[::-1] if bounds.after is not None else found)

    def count(self, kind: Kind[Any], where: Json) -> int:
        """The number of objects of a kind that have these values in linked fields."""
        self._flush(kind.name)
        conditions = [_condition(field, wanted) for field, wanted in where.items()]
        return count(self.store.connection, kind.name, conditions)

    def values(self, kind: Kind[Any], field: str) -> list[str]:
        """The different values that a linked field has."""
        self._flush(kind.name)
        return distinct(self.store.connection, kind.name, field)

    def position(self, identifier: str) -> Position | None:
        """Where an object stands in the order of its kind, for cursors."""
        if identifier not in self._positions:
            row = self.store.connection.execute(
                "SELECT created, seq FROM objects WHERE id = ?", (identifier,)
            ).fetchone()
            if row is None:
                return None
            self._positions[identifier] = Position(*row)
        return self._positions[identifier]

    def announced(self, identifier: str) -> Json:
        """An object as its last event shows it, or as it was read; empty for a new one."""
        known: Json = orjson.loads(self._announced.get(identifier, "{}"))
        return known

    def announce(self, thing: Thing) -> None:
        """Note that an event shows an object as it is now."""
        self._announced[thing["id"]] = orjson.dumps(thing).decode()

    def _keep(self, identifier: str, data: str, state: str) -> Json:
        thing: Json = orjson.loads(data)
        self._loaded[identifier] = thing
        self._announced[identifier] = data
        self._state_texts[identifier] = state
        return thing

    def flush(self) -> None:
        """Write changed objects, so that queries see them."""
        for thing in self._dirty.values():
            self._write(thing)
        self._dirty.clear()
        for identifier, state in self._states.items():
            written = orjson.dumps(state).decode()
            if written != self._state_texts.get(identifier, "{}"):
                self.execute("UPDATE objects SET state = ? WHERE id = ?", (written, identifier))
                self._state_texts[identifier] = written

    def _flush(self, kind: str) -> None:
        """Write the changed objects of a kind, so that its index finds them."""
        changed = [thing for thing in self._dirty.values() if thing["object"] == kind]
        for thing in changed:
            self._write(thing)
            del self._dirty[thing["id"]]

    def _write(self, thing: Json) -> None:
        identifier, position = thing["id"], self.position(thing["id"])
        if position is None:
            return
        self._found.pop(thing["object"], None)
        self.execute(
            "UPDATE objects SET data = ? WHERE seq = ?",
            (orjson.dumps(thing).decode(), position.seq),
        )
        index = self.store.index
        if identifier not in self._entries:
            self._entries[identifier] = index.entries(position.seq)
        self._entries[identifier] = index.write(thing, position, self._entries[identifier])

    def schedule(self, thing: Thing, action: str, at: int, *, clock: str | None) -> None:
        """Have an action done to an object at a time on its clock, once."""
        self.execute(
            "INSERT OR REPLACE INTO due VALUES (?, ?, ?, ?)", (thing["id"], action, clock or "", at)
        )

    def unschedule(self, thing: Thing, *actions: str) -> None:
        """Forget due actions of an object."""
        for action in actions:
            self.execute("DELETE FROM due WHERE object = ? AND action = ?", (thing["id"], action))

    def commit(self) -> None:
        """Store everything, then report the events to the listeners."""
        self.flush()
        if self._open:
            if self.ids.deterministic:
                self.execute(
                    "INSERT OR REPLACE INTO counters VALUES ('ids', ?)", (self.ids.counter,)
                )
            self.store.connection.execute("COMMIT")
            self._open = False
        events, self.events = self.events, []
        if events:
            for listener in self.store.on_commit:
                listener(events)

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Roll everything done inside back at the end, to learn what would happen."""
        self.flush()
        self.execute("SAVEPOINT rolled_back")
        events = list(self.events)
        try:
            yield
        finally:
            self.execute("ROLLBACK TO rolled_back")
            self.execute("RELEASE rolled_back")
            self._forget()
            self.events = events

    def rollback(self) -> None:
        """Forget everything this unit of work did."""
        if self._open:
            self.store.connection.execute("ROLLBACK")
            self._open = False
        self._forget()

    @property
    def _known(self) -> tuple[dict[str, Any], ...]:
        return (
            self._dirty,
            self._loaded,
            self._states,
            self._state_texts,
            self._announced,
            self._positions,
            self._entries,
            self._found,
        )

    def _forget(self) -> None:
        for known in self._known:
            known.clear()
        self.events = []


def _condition(field: str, wanted: Any) -> Condition:
    if isinstance(wanted, Except):
        return replace(_condition(field, wanted.value), negated=True)
    if wanted is NOTHING:
        return Condition(field, "missing")
    options = wanted if isinstance(wanted, list) else [wanted]
    return Condition(field, "in", tuple(text(option) for option in options))
