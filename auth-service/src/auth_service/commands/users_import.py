"""`auth-service users import`: takes over the accounts of another system."""

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import Engine

from auth_service.audit import Origin
from auth_service.clock import utc_now
from auth_service.commands.context import Refused, database
from auth_service.commands.import_file import FORMATS, Record, RefusedField, read
from auth_service.users import importing
from auth_service.users.importing import ImportedUser, Outcome

_ORIGIN = Origin(client="auth-service users import")
_BATCH_SIZE = 1000
_SECONDS_BETWEEN_LINES = 2
_REFUSALS_SHOWN = 20
_REFUSALS = {
    Outcome.USERNAME_TAKEN: ("username", "Another account has this username."),
    Outcome.EMAIL_TAKEN: ("email", "Another account has verified this address."),
}


@dataclass
class _Counts:
    imported: int = 0
    skipped: int = 0
    refused: int = 0
    _started: float = field(default_factory=time.monotonic)
    _shown: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        rows = self.imported + self.skipped + self.refused
        rate = rows / max(time.monotonic() - self._started, 0.001)
        return (
            f"{rows:,} rows, {rate:,.0f} a second: {self.imported:,} imported, "
            f"{self.skipped:,} skipped, {self.refused:,} refused"
        )

    def add(self, record: Record, outcomes: Mapping[UUID, Outcome]) -> Sequence[RefusedField]:
        """Count a row, and say why it is refused, if it is."""
        outcome = outcomes[record.user.account_id] if record.user else None
        self.imported += outcome is Outcome.IMPORTED
        self.skipped += outcome is Outcome.SKIPPED
        if outcome in (Outcome.IMPORTED, Outcome.SKIPPED):
            return ()
        self.refused += 1
        if outcome is None:
            return record.refused
        name, sentence = _REFUSALS[outcome]
        return [RefusedField(record.line, name, outcome.value, sentence)]

    def show_progress(self) -> None:
        if time.monotonic() - self._shown > _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            click.echo(str(self), err=True)


class _Report:
    """Writes refusals to the file of `--report`, or the first ones to standard error."""

    def __init__(self, path: Path | None) -> None:
        self._format = _format_of(path, "another name for --report") if path else ""
        self._file = path.open("w", encoding="utf-8", newline="") if path else None
        self._left = _REFUSALS_SHOWN
        if self._file and self._format == "csv":
            csv.writer(self._file).writerow(RefusedField.__slots__)

    def __enter__(self) -> Callable[[Sequence[RefusedField]], None]:
        return self._write

    def __exit__(self, *_error: object) -> None:
        if self._file:
            self._file.close()

    def _write(self, refused: Sequence[RefusedField]) -> None:
        for each in refused:
            if self._file is None:
                self._show(each)
            elif self._format == "csv":
                csv.writer(self._file).writerow(asdict(each).values())
            else:
                self._file.write(json.dumps(asdict(each)) + "\n")

    def _show(self, refused: RefusedField) -> None:
        if self._left > 0:
            name = f" {refused.field}:" if refused.field else ""
            click.echo(f"line {refused.line}:{name} {refused.sentence}", err=True)
        elif self._left == 0:
            click.echo("There are more refused rows. --report writes all of them.", err=True)
        self._left -= 1


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "file_format", type=click.Choice(FORMATS), help="Default: the file's ending."
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write refused rows to this file, which ends in .csv or .jsonl.",
)
@click.option("--dry-run", is_flag=True, help="Check every row and write no account.")
@click.pass_context
def import_users(
    context: click.Context,
    *,
    file: Path,
    file_format: str | None,
    report: Path | None,
    dry_run: bool,
) -> None:
    """Import accounts with their password hashes, from CSV or JSON lines.

    Good rows go in, and rows that are there already are skipped: run it again after a stop, or with
    the refused rows mended. Exit code 1 if a row is refused.
    """
    if report and report.resolve() == file.resolve():
        raise click.UsageError("--report would overwrite the file.")
    records = read(file, file_format or _format_of(file))
    counts = _Counts()
    try:
        with database() as engine, _Report(report) as refuse:
            while batch := list(islice(records, _BATCH_SIZE)):
                outcomes = _apply(engine, [r.user for r in batch if r.user], dry_run=dry_run)
                for record in batch:
                    refuse(counts.add(record, outcomes))
                counts.show_progress()
    except KeyboardInterrupt:
        raise Refused(f"Stopped after {counts}. Run it again to go on.") from None
    click.echo(f"{counts}.{' Nothing was written: --dry-run.' if dry_run else ''}")
    if counts.refused:
        context.exit(1)


def _format_of(path: Path, option: str = "--format") -> str:
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise click.UsageError(f"{path.name} ends in neither .csv nor .jsonl. Use {option}.")
    return file_format


def _apply(
    engine: Engine, batch: Sequence[ImportedUser], *, dry_run: bool
) -> Mapping[UUID, Outcome]:
    if not batch:
        return {}
    if dry_run:
        with engine.connect() as connection:
            return importing.check_batch(connection, batch)
    return importing.import_batch(engine, batch, origin=_ORIGIN, now=utc_now())
