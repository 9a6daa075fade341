"""Decodes the form encoding of the API: `items[0][price]=…`, `expand[]=…`."""

from typing import Any
from urllib.parse import parse_qsl

from stripe_sandbox.errors import InvalidParameter

# Deeper than any parameter, and shallow enough to walk through by recursion.
_DEEPEST = 20


def decode(encoded: str) -> dict[str, Any]:
    """Nested dicts of strings; a list is a dict keyed by its positions.

    Args:
        encoded: A query string or a form body.

    Raises:
        InvalidParameter: A name is used both as a value and as an object, or
            is nested too deeply.
    """
    decoded: dict[str, Any] = {}
    for name, value in _pairs(encoded):
        _put(decoded, _steps(name), value, name)
    return decoded


def _pairs(encoded: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(encoded, keep_blank_values=True, max_num_fields=5000)
    except ValueError:
        raise InvalidParameter("Invalid request: too many parameters.") from None


def _steps(name: str) -> list[str]:
    head, *rest = name.split("[")
    return [head, *(step.removesuffix("]") for step in rest)]


def _put(target: dict[str, Any], steps: list[str], value: str, name: str) -> None:
    if len(steps) > _DEEPEST:
        raise InvalidParameter("Invalid request: parameters are nested too deeply.")
    for step in steps[:-1]:
        target = target.setdefault(step or str(len(target)), {})
        if not isinstance(target, dict):
            raise InvalidParameter("Invalid request: conflicting parameters.", param=name)
    last = steps[-1]
    if last == "":
        last = str(len(target))
    if isinstance(target.get(last), dict):
        raise InvalidParameter("Invalid request: conflicting parameters.", param=name)
    target[last] = value
