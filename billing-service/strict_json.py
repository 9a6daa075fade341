"""Reads JSON objects as strictly as two parsers need to agree on them (RFC 8259 section 4)."""

import json
from typing import Any, NoReturn


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse one JSON object in UTF-8.

    Raises:
        ValueError: It is not JSON, not an object, names a member twice, contains NaN or Infinity,
            or is nested too deeply.
    """
    try:
        value = _DECODER.decode(text.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for all that is wrong with a text
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    # Parsers differ in which of two equal names they keep (RFC 8725 section 2.4).
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_refuse_constant)
