"""Checks request parameters against the SDK's generated parameter types."""

import re
from collections.abc import ItemsView, Iterator
from difflib import get_close_matches
from typing import Any

from stripe_sandbox.errors import InvalidParameter
from stripe_sandbox.sdk.endpoints import Endpoint
from stripe_sandbox.sdk.text_limits import check_metadata, check_text
from stripe_sandbox.sdk.types import Choice, Field, ListOf, MapOf, OneOf, Record, Scalar, Type
from stripe_sandbox.sdk.unset_parameters import Unsettable, unsettable

_CHOSEN_BY = {"true": True, "false": False}

# The year 2100: every period that follows from a timestamp can still be printed as a date.
_LATEST = 4102444800
_TIMESTAMPS = (
    "billing_cycle_anchor",
    "cancel_at",
    "due_date",
    "end",
    "expires_at",
    "frozen_time",
    "proration_date",
    "redeem_by",
    "resumes_at",
    "start",
    "trial_end",
)
LARGEST_AMOUNT = 99999999
_AMOUNTS = ("amount", "amount_off", "balance", "unit_amount", "unit_amount_decimal")
_MOST_DAYS = 730
_DAYS = ("days_until_due", "trial_period_days")


class Params(dict[str, Any]):
    """Checked parameters that remember which of them were looked at, at any depth.

    A parameter that Stripe knows and that nothing looked at would be ignored
    in silence, which Stripe never does; the request is refused instead. Copying
    looks at everything: what is stored and shown has had its effect.
    """

    def __init__(
        self, values: dict[str, Any], path: str = "", seen: set[str] | None = None
    ) -> None:
        super().__init__(values)
        self.path = path
        self.seen = set() if seen is None else seen

    def replaced(self, **values: Any) -> "Params":
        """The same parameters with some values put in, remembering what is looked at."""
        return Params({**dict.copy(self), **values}, self.path, self.seen)

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The parameter's value, or `default` if it was not sent."""
        self.seen.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.seen.add(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self.seen.update(dict.keys(self))
        return super().__iter__()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """All of them."""
        self.seen.update(dict.keys(self))
        return ItemsView(self)

    def unseen(self) -> list[str]:
        """The paths of parameters that were sent and that nothing looked at."""
        found = [_join(self.path, name) for name in dict.keys(self) if name not in self.seen]
        for name, value in dict.items(self):
            if name in self.seen:
                found += _unseen_in(value)
        return sorted(found)


def _unseen_in(value: Any) -> list[str]:
    if isinstance(value, Params):
        return value.unseen()
    return [path for item in value for path in _unseen_in(item)] if isinstance(value, list) else []


def check(endpoint: Endpoint, raw: dict[str, Any]) -> Params:
    """The typed parameters of a request.

    Raises:
        InvalidParameter: With the code and the `param` path that Stripe answers.
    """
    record = endpoint.params
    if record is None:
        if raw:
            raise _unknown(sorted(raw), {})
        return Params({})
    return _record(record, raw, "", unsettable(endpoint))


def _record(record: Record, raw: dict[str, Any], path: str, unset: Unsettable) -> Params:
    known = record.fields
    unknown = [_join(path, name) for name in raw if name not in known]
    if unknown:
        raise _unknown(unknown, known)
    for name, field in known.items():
        if not field.optional and name not in raw:
            missing = _join(path, name)
            raise InvalidParameter(
                f"Missing required param: {missing}.", code="parameter_missing", param=missing
            )
    checked = {name: _field(known[name], name, raw[name], path, unset) for name in raw}
    # A required parameter with a single value, such as a `type`, has nothing to say.
    silent = {n for n, f in known.items() if not f.optional and _is_constant(f.type)}
    return Params(checked, path, {"expand", *silent})


def _is_constant(kind: Type) -> bool:
    return isinstance(kind, Choice) and len(kind.values) == 1


def _field(field: Field, name: str, raw: Any, path: str, unset: Unsettable) -> Any:
    if raw == "" and unset.allows(name, field):
        return None
    value = _value(field.type, raw, _join(path, name), unset.inside(name))
    if isinstance(value, str) and value:
        check_text(name, value, field.prose, _join(path, name))
    return value


def _unknown(names: list[str], known: dict[str, Any]) -> InvalidParameter:
    word = "parameter" if len(names) == 1 else "parameters"
    message = f"Received unknown {word}: {', '.join(names)}"
    last = names[0].rstrip("]").rsplit("[", 1)[-1]
    close = get_close_matches(last, known, n=1)
    if len(names) == 1 and close:
        message += f". Did you mean {close[0]}?"
    return InvalidParameter(message, code="parameter_unknown", param=names[0])


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _value(kind: Type, raw: Any, path: str, unset: Unsettable) -> Any:
    if isinstance(kind, Scalar):
        return _scalar(kind.name, raw, path)
    if isinstance(kind, Choice):
        return _choice(kind.values, raw, path)
    if isinstance(kind, OneOf):
        return _one_of(kind, raw, path, unset)
    if isinstance(kind, ListOf):
        return _list(kind, raw, path, unset)
    if not isinstance(raw, dict):
        raise InvalidParameter("Invalid object", param=path)
    if isinstance(kind, MapOf):
        return _map(kind, raw, path, unset)
    if isinstance(kind, Record):
        return _record(kind, raw, path, unset)
    raise TypeError(f"{kind} is not a parameter type")


def _map(kind: MapOf, raw: dict[str, Any], path: str, unset: Unsettable) -> dict[str, Any]:
    """An empty metadata value unsets its key, so it is allowed where a string is not."""
    checked = {
        name: value if value == "" else _value(kind.value, value, _join(path, name), unset)
        for name, value in raw.items()
    }
    if kind.value == Scalar("str"):
        check_metadata(checked, path)
    return checked


def _list(kind: ListOf, raw: Any, path: str, unset: Unsettable) -> list[Any]:
    if not isinstance(raw, dict) or not _is_list(raw):
        raise InvalidParameter("Invalid array", param=path)
    ordered = sorted(raw.items(), key=lambda step: int(step[0]))
    return [_value(kind.item, value, _join(path, step), unset) for step, value in ordered]


def _is_list(raw: dict[str, Any]) -> bool:
    return all(re.fullmatch("[0-9]{1,9}", step) for step in raw)


def _one_of(kind: OneOf, raw: Any, path: str, unset: Unsettable) -> Any:
    if isinstance(raw, dict):
        return _value(_structured(kind, raw, path), raw, path, unset)
    options = [o for o in kind.options if isinstance(o, Choice | Scalar)]
    named = [value for o in options if isinstance(o, Choice) for value in o.values]
    if raw in named:
        return raw
    scalars = [o for o in options if isinstance(o, Scalar)]
    if scalars:
        return _scalar(scalars[0].name, raw, path)
    if any(value != "" for value in named):
        return _choice(tuple(value for value in named if value != ""), raw, path)
    shape = "array" if any(isinstance(o, ListOf) for o in kind.options) else "object"
    raise InvalidParameter(f"Invalid {shape}", param=path)


def _structured(kind: OneOf, raw: dict[str, Any], path: str) -> Type:
    as_list = bool(raw) and _is_list(raw)
    wanted = (ListOf,) if as_list else (Record, MapOf)
    for shapes in (wanted, (ListOf, Record, MapOf)):
        for option in kind.options:
            if isinstance(option, shapes):
                return option
    raise InvalidParameter("Invalid string: expected a plain value", param=path)


def _choice(values: tuple[object, ...], raw: Any, path: str) -> Any:
    for value in values:
        if raw == value or (isinstance(value, bool) and _CHOSEN_BY.get(str(raw)) is value):
            return value
    name = path.rstrip("]").rsplit("[", 1)[-1]
    listed = [str(value) for value in values]
    allowed = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])}, or {listed[-1]}"
    if len(listed) == 2:
        allowed = " or ".join(listed)
    raise InvalidParameter(f"Invalid {name}: must be one of {allowed}", param=path)


def _scalar(name: str, raw: Any, path: str) -> Any:
    if isinstance(raw, dict):
        raise InvalidParameter(f"Invalid {_WORDS[name]}: {raw}", param=path)
    if raw == "":
        raise InvalidParameter(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to "
            f"unset a parameter; however '{path}' cannot be unset. You should remove '{path}' "
            "from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=path,
        )
    return _PARSERS[name](raw, path)


def _integer(raw: str, path: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,16}", raw):
        raise InvalidParameter(
            f"Invalid integer: {raw}", code="parameter_invalid_integer", param=path
        )
    if raw.startswith("-") and path.rstrip("]").endswith("quantity"):
        raise InvalidParameter(
            "Invalid non-negative integer", code="parameter_invalid_integer", param=path
        )
    _check_bounds(int(raw), path)
    return int(raw)


def _check_bounds(value: float, path: str) -> None:
    name = path.rstrip("]").rsplit("[", 1)[-1]
    if name in _TIMESTAMPS and not 0 <= value <= _LATEST:
        raise InvalidParameter("Invalid timestamp: must be a Unix timestamp.", param=path)
    if name in _AMOUNTS and abs(value) > LARGEST_AMOUNT:
        raise InvalidParameter(
            "Amount must be no more than $999,999.99", code="amount_too_large", param=path
        )
    if name in _DAYS and not 0 <= value <= _MOST_DAYS:
        raise InvalidParameter(
            f"Invalid {name}: must be 0 to {_MOST_DAYS}.",
            code="parameter_invalid_integer",
            param=path,
        )


def _boolean(raw: str, path: str) -> bool:
    if raw not in _CHOSEN_BY:
        raise InvalidParameter(f"Invalid boolean: {raw}", param=path)
    return _CHOSEN_BY[raw]


def _number(raw: str, path: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,16}(\.[0-9]{1,12})?", raw):
        raise InvalidParameter(f"Invalid decimal: {raw}", param=path)
    return float(raw)


def _decimal(raw: str, path: str) -> str:
    """Decimals travel as strings in both directions."""
    _check_bounds(_number(raw, path), path)
    return raw


def _string(raw: str, _path: str) -> str:
    return raw


_WORDS = {"int": "integer", "bool": "boolean", "float": "decimal", "Decimal": "decimal"}
_WORDS |= {"str": "string", "Any": "string", "bytes": "file"}
_PARSERS: dict[str, Any] = {
    "int": _integer,
    "bool": _boolean,
    "float": _number,
    "Decimal": _decimal,
    "str": _string,
    "Any": _string,
    "bytes": _string,
}
