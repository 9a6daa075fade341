"""The `.env` format, as far as Compose and this launcher both understand it."""

import re
from pathlib import Path

from dev.errors import BadSetting

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<value>.*)(?P=quote)\s*(?:#.*)?""")


def read(path: Path) -> dict[str, str]:
    """Read the assignments of one file; a file that does not exist holds none.

    Args:
        path: The file to read.

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
        if assignment is None:
            raise BadSetting(f"{path.name} line {number} is not NAME=value.")
        values[assignment[1]] = _value(assignment[2])
    return values


def _value(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted["value"]
    # As in Compose, an unquoted # starts a comment only after white space.
    return re.split(r"(?:^|\s+)#", text, maxsplit=1)[0].strip()
