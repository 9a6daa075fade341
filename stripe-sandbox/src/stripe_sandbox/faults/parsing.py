"""Reads faults from the admin API's objects and from the `Sandbox-Fault` header."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from stripe_sandbox.errors import InvalidParameter
from stripe_sandbox.faults.rules import EFFECTS, Fault

_NAMES = tuple(field.name for field in fields(Fault))


def fault_from(values: dict[str, Any]) -> Fault:
    """A checked fault.

    Args:
        values: `Fault`'s attributes by name; numbers may be text, as in a form.

    Raises:
        InvalidParameter: Which value is missing, unknown or out of range.
    """
    for name in values:
        if name not in _NAMES:
            raise InvalidParameter(
                f"Unknown fault parameter: {name}", code="parameter_unknown", param=name
            )
    if "effect" not in values:
        raise InvalidParameter(
            "Missing required param: effect.", code="parameter_missing", param="effect"
        )
    fault = Fault(**{name: _CHECKS[name](name, value) for name, value in values.items()})
    if fault.stored and fault.status < 500:
        raise InvalidParameter("Invalid stored: status must be 500 or more", param="stored")
    return fault


def faults_from_header(header: str) -> tuple[Fault, ...]:
    """The faults of a header such as `latency; milliseconds=200, error; status=429`.

    Raises:
        InvalidParameter: The header is not understood.
    """
    return tuple(_from_item(item) for item in header.split(",") if item.strip())


def _from_item(item: str) -> Fault:
    effect, *settings = [part.strip() for part in item.split(";")]
    values = {"effect": effect}
    for setting in settings:
        name, _, value = setting.partition("=")
        values[name.strip()] = value.strip()
    return fault_from(values)


def _one_of(*allowed: str) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if value not in allowed:
            raise InvalidParameter(
                f"Invalid {name}: must be one of {', '.join(allowed)}", param=name
            )
        return str(value)

    return check


def _boolean(name: str, value: Any) -> bool:
    return _one_of("true", "false")(name, str(value).lower()) == "true"


def _between(low: int, high: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        text = str(value)
        if not text.isdecimal() or not low <= int(text) <= high:
            raise InvalidParameter(f"Invalid {name}: must be {low} to {high}", param=name)
        return int(text)

    return check


def _times(name: str, value: Any) -> int | None:
    return None if value in (None, "") else _between(1, 1_000_000)(name, value)


def _probability(name: str, value: Any) -> float:
    try:
        chance = float(value)
    except (TypeError, ValueError):
        chance = -1.0
    if not 0 <= chance <= 1:
        raise InvalidParameter(f"Invalid {name}: must be 0 to 1", param=name)
    return chance


def _glob(_: str, value: Any) -> str:
    return str(value) or "*"


def _method(_: str, value: Any) -> str:
    return str(value).upper() or "*"


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "effect": _one_of(*EFFECTS),
    "when": _one_of("before", "after"),
    "milliseconds": _between(0, 600_000),
    "status": _between(400, 599),
    "stored": _boolean,
    "copies": _between(1, 100),
    "method": _method,
    "path": _glob,
    "events": _glob,
    "skip": _between(0, 1_000_000),
    "times": _times,
    "probability": _probability,
    "seed": _between(0, 2**32),
}
