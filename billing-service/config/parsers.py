"""How bodies of REST calls are read."""

import json
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

_REFUSAL = "Send one JSON object without duplicate names, as application/json in UTF-8."


class StrictJSONParser(JSONParser):
    """One JSON object in UTF-8 with distinct names (RFC 8259 sections 4 and 8.1).

    Of two members with one name another reader may take the other one, so neither counts.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        """Parse a body.

        Raises:
            ParseError: It is anything else, or nested too deeply to read.
        """
        try:
            body = json.loads(
                stream.read().decode("utf-8"),
                object_pairs_hook=_distinct,
                parse_constant=_refuse_constant,
            )
        except (ValueError, RecursionError):
            raise ParseError(_REFUSAL) from None
        if not isinstance(body, dict):
            raise ParseError(_REFUSAL)
        return body


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate name")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
