"""The part of the `.env` format that Compose and this launcher read alike; the rest is refused."""

import re
from pathlib import Path

from dev.errors import BadSetting

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_NAME = re.compile(r"^#?([A-Z][A-Z0-9_]*)=", re.MULTILINE)
_COMMENT = r"\s*(?:\s#.*)?"
# Compose takes text in single quotes as it is. Elsewhere it replaces `$NAME`; in double quotes it
# reads backslashes; and it takes a # after an empty value as the value.
_VALUES = (
    re.compile(rf"'([^']*)'{_COMMENT}"),
    re.compile(rf'"([^"$\\]*)"{_COMMENT}'),
    re.compile(rf"([^'\"#$\s](?:[^$]*?[^$\s])??|){_COMMENT}"),
)


def read(path: Path, *, strict: bool = True) -> dict[str, str]:
    """Read the assignments of one file; a file that does not exist holds none.

    Args:
        path: The file.
        strict: Refuse a line that cannot be read; otherwise leave it out.

    Raises:
        BadSetting: A line is neither an assignment, a comment nor empty.
    """
    if not path.exists():
        return {}
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        assignment = _ASSIGNMENT.fullmatch(text)
        value = _value(assignment[2]) if assignment else None
        if assignment and value is not None:
            values[assignment[1]] = value
        elif strict:
            raise BadSetting(_refusal(f"{path.name} line {number}", is_assignment=bool(assignment)))
    return values


def names(path: Path) -> set[str]:
    """The variables of one file, those behind a comment mark (`#NAME=`) included."""
    if not path.exists():
        return set()
    return set(_NAME.findall(path.read_text(encoding="utf-8")))


def _value(text: str) -> str | None:
    return next((found[1] for form in _VALUES if (found := form.fullmatch(text))), None)


def _refusal(line: str, *, is_assignment: bool) -> str:
    if not is_assignment:
        return f"{line} is not NAME=value."
    return (
        f"Compose would read {line} differently: put the value in single quotes and a"
        " comment on a line of its own."
    )
