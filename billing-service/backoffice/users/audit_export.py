"""The audit log as a file: CSV for spreadsheets, JSON lines for programs."""

import csv
import json
from collections.abc import Iterable, Iterator

from backoffice.users.audit_rows import Row

COLUMNS = (
    *("id", "at", "action", "sentence", "actor_id", "actor", "user_id", "user", "source"),
    *("user_agent", "detail"),
)
# Spreadsheets take a cell that begins with one of them for a formula, and run it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    """A file that returns what is written to it instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Return a header and one record a row (RFC 4180)."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([_cell(value) for value in _values(row)])


def json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Return one JSON object a row, each on a line of its own."""
    for row in rows:
        yield json.dumps(dict(zip(COLUMNS, _values(row), strict=True)), ensure_ascii=False) + "\n"


def _values(row: Row) -> tuple[object, ...]:
    event = row.event
    return (
        *(event["id"], event["at"], event["action"], row.sentence),
        *(event["actor_id"], row.actor, event["user_id"], row.user, row.client),
        *(row.user_agent, event["detail"]),
    )


def _cell(value: object) -> object:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
    if isinstance(text, str) and text.startswith(_FORMULA_STARTS):
        return f"'{text}"
    return "" if text is None else text
