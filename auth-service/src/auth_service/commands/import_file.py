"""Reads a file of accounts to import: CSV with a header, or JSON lines."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import click
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from auth_service.passwords.imported import HashRefused, accept
from auth_service.schemas import Email, Username
from auth_service.users.importing import ImportedUser

FORMATS = ("csv", "jsonl")
# Django's mark of an account without a password.
_UNUSABLE_MARK = "!"


@dataclass(frozen=True, slots=True)
class RefusedField:
    """Why a row of the file is not imported.

    Attributes:
        line: The row's last line, counted from 1.
        field: Empty if the row as a whole is malformed.
        code: Stable, for programs.
        sentence: For people, without the value, which may be a hash.
    """

    line: int
    field: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the account, or why there is none."""

    line: int
    user: ImportedUser | None
    refused: Sequence[RefusedField] = ()


def _hash(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.startswith(_UNUSABLE_MARK):
        return None
    try:
        return accept(value)
    except HashRefused as error:
        raise PydanticCustomError("hash", "{sentence}", _context(error)) from None


def _context(error: HashRefused) -> dict[str, Any]:
    return {"sentence": error.sentence, "code": error.code}


def _moment(value: object) -> object:
    sentence = "Use ISO 8601 with an offset from UTC, such as 2026-01-31T09:30:00Z"
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(sentence) from None
    if moment.utcoffset() is None:
        raise ValueError(sentence)
    return moment.astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_moment)]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    username: Username
    email: Email = ""
    email_verified: bool = False
    password_hash: Annotated[str | None, BeforeValidator(_hash)] = None
    id: UUID | None = None
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    created_at: Moment | None = None
    last_login_at: Moment | None = None


FIELDS = tuple(_Fields.model_fields)
# Pydantic's sentences are for programmers.
_SENTENCES = {
    "missing": "Fill in the username",
    "string_type": "Use a string",
    "string_unicode": "Use UTF-8",
    "bool_type": "Use true or false",
    "bool_parsing": "Use true or false",
    "uuid_type": "Use a UUID",
    "uuid_parsing": "Use a UUID",
}


def read(path: Path, file_format: str) -> Iterator[Record]:
    """Read a file row by row.

    Raises:
        click.UsageError: The file has a column that is unknown or named twice, or none with
            usernames. All names are read before the first row is returned.
    """
    # A byte that is not UTF-8 is refused with its row.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        if file_format == "csv":
            yield from _Duplicates().without(_csv_records(file))
        else:
            _refuse_unknown(name for _, row in _json_rows(file) for name in row or ())
            file.seek(0)
            yield from _Duplicates().without(_json_records(file))


def _csv_records(file: TextIO) -> Iterator[Record]:
    rows = csv.reader(file, strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise click.UsageError(f"The first line is not CSV: {error}.") from None
    _refuse_unknown(header)
    if len(set(header)) < len(header):
        raise click.UsageError("The first line names a column twice.")
    if "username" not in header:
        raise click.UsageError("The first line has no column username.")
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield _malformed(rows.line_num, f"This is not CSV: {error}")
            continue
        if cells is None:
            return
        if len(cells) == len(header):
            yield _record(rows.line_num, dict(zip(header, cells, strict=True)))
        elif cells:
            yield _malformed(rows.line_num, f"Use {len(header)} columns, as in the first line")


def _json_records(file: TextIO) -> Iterator[Record]:
    for line, row in _json_rows(file):
        if row is None:
            yield _malformed(line, "Use one JSON object with distinct names in each line")
        else:
            yield _record(line, row)


def _json_rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, object_pairs_hook=_distinct)
        except (ValueError, RecursionError):
            row = None
        yield line, row if isinstance(row, dict) else None


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError
    return found


def _refuse_unknown(names: Iterator[str] | Sequence[str]) -> None:
    unknown = sorted({name for name in names if name not in FIELDS})
    if unknown:
        raise click.UsageError(
            f"Unknown columns: {', '.join(map(repr, unknown))}. Known are {', '.join(FIELDS)}."
        )


def _record(line: int, row: Mapping[str, Any]) -> Record:
    # An empty cell is a value that is missing, as PostgreSQL's COPY writes NULL.
    given = {name: value for name, value in row.items() if value is not None and value != ""}
    try:
        fields = _Fields.model_validate(given)
    except ValidationError as error:
        return Record(line, None, [_refused(line, entry) for entry in error.errors()])
    if fields.email_verified and not fields.email:
        refused = RefusedField(line, "email_verified", "invalid", "There is no address to verify.")
        return Record(line, None, [refused])
    return Record(line, ImportedUser(**dict(fields)))


def _refused(line: int, entry: Mapping[str, Any]) -> RefusedField:
    kind = entry["type"]
    sentence = _SENTENCES.get(kind) or entry["msg"].removeprefix("Value error, ")
    code = entry["ctx"]["code"] if kind == "hash" else "missing" if kind == "missing" else "invalid"
    return RefusedField(line, str(entry["loc"][0]), code, f"{sentence}.")


def _malformed(line: int, sentence: str) -> Record:
    return Record(line, None, [RefusedField(line, "", "malformed_row", f"{sentence}.")])


class _Duplicates:
    """Refuses a row whose id, username or verified address an earlier row has."""

    def __init__(self) -> None:
        self._lines: dict[object, int] = {}

    def without(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            if record.user is None:
                yield record
                continue
            keys = {"username": ("username", record.user.username_key)}
            if record.user.id:
                keys["id"] = ("id", str(record.user.id))
            if record.user.email_verified:
                keys["email"] = ("email", record.user.email.lower())
            refused = [
                RefusedField(
                    record.line, field, "duplicate", f"Line {self._lines[key]} has the same."
                )
                for field, key in keys.items()
                if key in self._lines
            ]
            if refused:
                yield Record(record.line, None, refused)
            else:
                self._lines |= dict.fromkeys(keys.values(), record.line)
                yield record
