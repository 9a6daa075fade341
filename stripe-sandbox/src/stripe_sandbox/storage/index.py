"""The index of the store: the fields that lists filter on and that searches look into.

A page of results is read in the order of the answer, newest first, and ends with the page, so
that its cost follows the length of the page and not the number of stored objects.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from stripe_sandbox.objects.common import Json
from stripe_sandbox.storage.kinds import KINDS

Value = str | int
Statement = tuple[str, list[Any]]
Entries = set[tuple[str, Value]]

SCHEMA = """
CREATE INDEX IF NOT EXISTS objects_by_time ON objects (kind, deleted, created, seq);
CREATE TABLE IF NOT EXISTS index_entries (
  kind TEXT NOT NULL, field TEXT NOT NULL, value NOT NULL COLLATE NOCASE,
  created INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (kind, field, value, created, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS index_entries_of_object ON index_entries (seq, field, value);
CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5
  (email, name, phone, description, tokenize = 'trigram');
"""

_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

# Fewer matches than this are sorted; more are dense enough to be met while reading newest first.
_FEW = 1000


class Position(NamedTuple):
    """Where an object stands in the order of its kind."""

    created: int
    seq: int


@dataclass(frozen=True)
class Condition:
    """What an indexed field must be.

    Attributes:
        field: Its name in the index.
        operator: `in` for any of `values` as they are written, `:` for the same in any case,
            `~` for a part of a text, a comparison, or `missing` for no value at all.
        values: One value, or several for `in`.
        negated: Whether the opposite is asked for.
    """

    field: str
    operator: Literal["in", ":", "~", ">", "<", ">=", "<=", "missing"]
    values: tuple[Value, ...] = ()
    negated: bool = False

    @property
    def leads(self) -> bool:
        """Whether the index can list what fulfils it."""
        return not self.negated and self.operator != "missing"

    @property
    def ordered(self) -> bool:
        """Whether that list is in the order of the answer already."""
        return self.operator in {"in", ":"} and len(self.values) == 1

    def compared(self) -> Statement:
        """The comparison of `value` in the index."""
        if self.operator == "in":
            marks = ", ".join("?" for _ in self.values)
            return f"value IN ({marks}) AND value COLLATE BINARY IN ({marks})", [*self.values] * 2
        if self.operator == ":":
            return "value = ?", [*self.values]
        if self.operator == "~":
            return "value LIKE ? ESCAPE '!'", [f"%{_escaped(str(self.values[0]))}%"]
        return f"value {self.operator} ?", [*self.values]

    def tested(self) -> Statement:
        """The condition on one object, `o.seq`."""
        sql, values = "SELECT 1 FROM index_entries WHERE seq = o.seq AND field = ?", [self.field]
        absent = self.negated
        if self.operator == "missing":
            absent = not absent
        else:
            comparison, compared = self.compared()
            sql, values = f"{sql} AND {comparison}", [*values, *compared]
        return f"{'NOT ' if absent else ''}EXISTS ({sql})", values

    def source(self, kind: str) -> Statement:
        """All objects that fulfil it, as `created` and `seq`."""
        if self.operator == "~" and self.field in KINDS[kind].texts:
            quoted = str(self.values[0]).replace('"', '""')
            return (
                "SELECT o.created, o.seq FROM texts CROSS JOIN objects o ON o.seq = texts.rowid"
                " WHERE texts MATCH ? AND o.kind = ?",
                [f'{self.field} : "{quoted}"', kind],
            )
        comparison, values = self.compared()
        sql = (
            f"SELECT created, seq FROM index_entries WHERE kind = ? AND field = ? AND {comparison}"
        )
        return sql, [kind, self.field, *values]


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


@dataclass(frozen=True)
class Bounds:
    """Which part of the order is asked for.

    Attributes:
        before: Only what stands before this position, that is, what is older.
        after: Only what is newer; the nearest first.
        created: `gt`, `gte`, `lt`, `lte`, each with seconds since the epoch.
    """

    before: Position | None = None
    after: Position | None = None
    created: tuple[tuple[str, int], ...] = ()

    def tested(self) -> Statement:
        """The bounds as conditions on `o`."""
        sql, values = "", []
        for name, moment in self.created:
            sql += f" AND o.created {_COMPARISONS[name]} ?"
            values.append(moment)
        for position, operator in ((self.before, "<"), (self.after, ">")):
            if position is not None:
                sql += f" AND (o.created, o.seq) {operator} (?, ?)"
                values += position
        return sql, values


def select(
    connection: sqlite3.Connection,
    kind: str,
    conditions: list[Condition],
    bounds: Bounds,
    *,
    limit: int,
    any_of: bool = False,
) -> list[tuple[str, str, str]]:
    """The id, the data and the state of matching objects, newest first.

    With `bounds.after` the oldest come first.

    Args:
        connection: The data file.
        kind: The `object` name.
        conditions: All must hold, or one of them with `any_of`.
        bounds: Which part of the order.
        limit: How many at most; -1 for all.
        any_of: Whether one condition is enough.
    """
    alternatives = [[one] for one in conditions] if any_of else [conditions]
    parts = [_part(connection, kind, each, bounds, limit) for each in alternatives]
    order = _order(bounds)
    union = " UNION ".join(f"SELECT * FROM ({sql})" for sql, _values in parts)
    values = [value for _sql, part in parts for value in part]
    return connection.execute(
        f"SELECT d.id, d.data, d.state FROM ({union} ORDER BY {order} LIMIT ?) p"
        f" JOIN objects d ON d.seq = p.seq ORDER BY p.{order.replace(', ', ', p.')}",
        [*values, limit],
    ).fetchall()


def _order(bounds: Bounds) -> str:
    return "created, seq" if bounds.after is not None else "created DESC, seq DESC"


def _part(
    connection: sqlite3.Connection,
    kind: str,
    conditions: list[Condition],
    bounds: Bounds,
    limit: int,
) -> Statement:
    """One page of what fulfils all conditions, read from the shortest list there is."""
    leader, source, values = _shortest(connection, kind, conditions)
    within, bound = bounds.tested()
    sql, values = f"SELECT o.created, o.seq FROM ({source}) o WHERE 1{within}", [*values, *bound]
    for condition in conditions:
        if condition is not leader:
            test, tested = condition.tested()
            sql, values = f"{sql} AND {test}", [*values, *tested]
    return f"{sql} ORDER BY {_order(bounds)} LIMIT ?", [*values, limit]


def _shortest(
    connection: sqlite3.Connection, kind: str, conditions: list[Condition]
) -> tuple[Condition | None, str, list[Any]]:
    """The list to read, as `created` and `seq`, and the condition that all of it fulfils."""
    leading = [one for one in conditions if one.leads]
    if len(leading) > 1 or not all(one.ordered for one in leading):
        found = [(one, _first(connection, kind, one)) for one in leading]
        shortest, places = min(found, key=lambda entry: len(entry[1]))
        if len(places) < _FEW:
            listed = (
                "SELECT created, seq FROM objects WHERE seq IN (SELECT value FROM json_each(?))"
            )
            return shortest, listed, [str(places)]
    for condition in leading:
        if condition.ordered:
            return condition, *condition.source(kind)
    return None, "SELECT created, seq FROM objects WHERE kind = ? AND deleted = 0", [kind]


def _first(connection: sqlite3.Connection, kind: str, condition: Condition) -> list[int]:
    """The `seq` of objects that fulfil a condition, `_FEW` at most."""
    source, values = condition.source(kind)
    rows = connection.execute(f"SELECT seq FROM ({source} LIMIT {_FEW})", values)
    return [seq for (seq,) in rows]


def count(connection: sqlite3.Connection, kind: str, conditions: list[Condition]) -> int:
    """How many objects fulfil all conditions."""
    sql, values = _part(connection, kind, conditions, Bounds(), -1)
    return int(connection.execute(f"SELECT count(*) FROM ({sql})", values).fetchone()[0])


def distinct(connection: sqlite3.Connection, kind: str, field: str) -> list[str]:
    """The different values of a field, each found by one step through the index."""
    following = "SELECT min(value) FROM index_entries WHERE kind = ? AND field = ?"
    rows = connection.execute(
        f"WITH RECURSIVE found (value) AS ({following} UNION ALL"
        f" SELECT ({following} AND value > found.value) FROM found WHERE found.value IS NOT NULL)"
        " SELECT value FROM found WHERE value IS NOT NULL",
        (kind, field, kind, field),
    )
    return [str(value) for (value,) in rows]


class Index:
    """Writes the index; it goes with the objects, in the same units of work."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, thing: Json, position: Position, before: Entries) -> Entries:
        """Index an object as it is now.

        Args:
            thing: The object.
            position: Its place in the order.
            before: Its entries so far.

        Returns:
            Its entries from now on.
        """
        entries = entries_of(thing)
        kind, old, new = thing["object"], before - entries, entries - before
        self._connection.executemany(
            "DELETE FROM index_entries WHERE kind = ? AND field = ? AND value = ?"
            " AND created = ? AND seq = ?",
            [(kind, *entry, *position) for entry in old],
        )
        # Two values that differ in case alone are one entry.
        self._connection.executemany(
            "INSERT OR IGNORE INTO index_entries VALUES (?, ?, ?, ?, ?)",
            [(kind, *entry, *position) for entry in new],
        )
        texts = KINDS[kind].texts
        if texts and any(field in texts for field, _value in old | new):
            self._write_texts(thing, position.seq, replaced=bool(before))
        return entries

    def _write_texts(self, thing: Json, seq: int, *, replaced: bool) -> None:
        if replaced:
            self._connection.execute("DELETE FROM texts WHERE rowid = ?", (seq,))
        known = {name: thing.get(name) for name in KINDS[thing["object"]].texts}
        names = ", ".join(known)
        marks = ", ".join("?" for _ in known)
        self._connection.execute(
            f"INSERT INTO texts (rowid, {names}) VALUES (?, {marks})",
            (seq, *known.values()),
        )

    def entries(self, seq: int) -> Entries:
        """What is stored for an object."""
        return set(
            self._connection.execute("SELECT field, value FROM index_entries WHERE seq = ?", (seq,))
        )

    def remove(self, seq: int) -> None:
        """Forget an object."""
        self._connection.execute("DELETE FROM index_entries WHERE seq = ?", (seq,))
        self._connection.execute("DELETE FROM texts WHERE rowid = ?", (seq,))


def entries_of(thing: Json) -> Entries:
    """The fields and values under which an object can be found."""
    kind = KINDS[thing["object"]]
    found = {(path, value) for path in kind.paths for value in _values(thing, path)}
    if kind.search:
        metadata = thing.get("metadata") or {}
        found |= {(f"metadata[{name}]", value) for name, value in metadata.items()}
    return found


def _values(thing: Json, path: str) -> list[Value]:
    """The values at a dotted path, which may lead through lists."""
    values: list[Any] = [thing]
    for step in path.split("."):
        found = (value.get(step) for value in values if isinstance(value, dict))
        values = [one for value in found for one in (value if isinstance(value, list) else [value])]
    return [text(value) for value in values if value is not None]


def text(value: Any) -> Value:
    """A value as the index holds it: numbers as numbers, everything else as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, int) else str(value)
