"""Fills and checks response objects by the SDK's generated resource classes."""

import ast
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from stripe_sandbox.sdk import source
from stripe_sandbox.sdk.optional_fields import may_be_missing
from stripe_sandbox.sdk.types import (
    Choice,
    Expandable,
    ListOf,
    MapOf,
    OneOf,
    PageOf,
    Record,
    Scalar,
    Type,
    record,
)

Json = dict[str, Any]


class ShapeError(Exception):
    """An object does not fit the class that the pinned SDK declares for it."""


@cache
def resource(object_name: str) -> Record:
    """The SDK's class for an `object` name such as `subscription_item`.

    Raises:
        ShapeError: The pinned SDK has no such resource.
    """
    listed = ast.literal_eval(source.load("stripe._object_classes").assignments["OBJECT_CLASSES"])
    try:
        return record(*listed[object_name])
    except KeyError:
        raise ShapeError(f"the pinned SDK has no resource {object_name}") from None


def new(object_name: str, values: Json) -> Json:
    """A whole object: the given values, and nulls and defaults for the rest.

    Args:
        object_name: The value of the object's `object` field.
        values: Fields by name.

    Raises:
        ShapeError: A value has no field, or a required field has no value.
    """
    return _fill(resource(object_name), object_name, values)


def nested(object_name: str, path: str, values: Json) -> Json:
    """A whole nested object, such as `invoice`, `Parent.SubscriptionDetails`."""
    owner = resource(object_name)
    return _fill(record(owner.module, *owner.path, *path.split(".")), object_name, values)


class _Step(NamedTuple):
    """What filling does with one field; `inner` is None where nothing inside can be missing."""

    name: str
    inner: Type | None
    optional: bool
    left_out: bool


@cache
def _steps(shape: Record, root: str) -> list[_Step]:
    return [
        _Step(
            name,
            _inner(field.type),
            field.optional,
            field.optional and may_be_missing(shape, root, name),
        )
        for name, field in shape.fields.items()
    ]


def _inner(kind: Type) -> Type | None:
    """The type by which a value is filled, if it holds what can be filled."""
    if isinstance(kind, OneOf):
        return next((_inner(option) for option in kind.options if isinstance(option, Record)), None)
    if isinstance(kind, ListOf):
        return kind if _inner(kind.item) else None
    if isinstance(kind, MapOf):
        return kind if isinstance(kind.value, Record) else None
    return kind if isinstance(kind, Record) and not kind.object_name else None


def _fill(shape: Record, root: str, values: Json) -> Json:
    unknown = sorted(values.keys() - shape.fields.keys())
    if unknown:
        raise ShapeError(f"{shape.name} has no field {', '.join(unknown)}")
    filled: Json = {}
    for name, inner, optional, left_out in _steps(shape, root):
        value = values.get(name)
        if value is None:
            if not left_out:
                filled[name] = (
                    None if optional else _default(shape.fields[name].type, root, shape, name)
                )
        elif inner is None:
            filled[name] = value
        else:
            filled[name] = _fill_value(inner, root, value)
    return filled


def _fill_value(inner: Type, root: str, value: Any) -> Any:
    if isinstance(inner, Record) and isinstance(value, dict):
        return _fill(inner, root, value)
    if isinstance(inner, ListOf) and isinstance(value, list):
        item = _inner(inner.item)
        return [_fill_value(item, root, one) for one in value] if item else value
    if isinstance(inner, MapOf) and isinstance(value, dict):
        return {name: _fill_value(inner.value, root, one) for name, one in value.items()}
    return value


def _default(kind: Type, root: str, shape: Record, name: str) -> Any:
    if isinstance(kind, Choice) and len(kind.values) == 1:
        return kind.values[0]
    if kind == Scalar("bool"):
        return False
    if isinstance(kind, MapOf):
        return {}
    if isinstance(kind, ListOf):
        return []
    if isinstance(kind, Record) and not kind.object_name:
        return _fill(kind, root, {})
    raise ShapeError(f"{shape.name} needs a value for {name}")


def problems(kind: Type, value: Any, path: str = "") -> list[str]:
    """Everything in which a response differs from what the SDK declares.

    Args:
        kind: The declared type.
        value: The decoded JSON.
        path: Where in the response `value` stands.
    """
    if isinstance(kind, Record):
        root = record(kind.module, kind.path[0]).object_name or ""
        return _record_problems(kind, root, value, path)
    return _value_problems(kind, "", value, path)


def _record_problems(shape: Record, root: str, value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: expected an object, got {value!r}"]
    if set(value) == {"id", "object", "deleted"} and "deleted" in shape.fields:
        return []
    found = [
        f"{path}.{name}: not a field of {shape.name}" for name in set(value) - set(shape.fields)
    ]
    for name in shape.fields:
        found += _field_problems(shape, root, name, value, f"{path}.{name}")
    return found


def _field_problems(shape: Record, root: str, name: str, value: Json, path: str) -> list[str]:
    field = shape.fields[name]
    if name not in value:
        if field.optional and may_be_missing(shape, root, name):
            return []
        return [f"{path}: missing, {shape.name} declares it"]
    if value[name] is None and field.optional:
        return []
    return _value_problems(field.type, root, value[name], path)


def _value_problems(kind: Type, root: str, value: Any, path: str) -> list[str]:
    if isinstance(kind, Scalar):
        return [] if _is_scalar(kind.name, value) else [f"{path}: {value!r} is no {kind.name}"]
    if isinstance(kind, Choice):
        return [] if value in kind.values else [f"{path}: {value!r} is not declared"]
    if isinstance(kind, Record):
        if kind.object_name:
            return problems(kind, value, path)
        return _record_problems(kind, root, value, path)
    if isinstance(kind, Expandable):
        return [] if isinstance(value, str) else _value_problems(kind.target, root, value, path)
    if isinstance(kind, OneOf):
        tried = [_value_problems(option, root, value, path) for option in kind.options]
        return min(tried, key=len)
    return _container_problems(kind, root, value, path)


def _container_problems(
    kind: ListOf | MapOf | PageOf, root: str, value: Any, path: str
) -> list[str]:
    if isinstance(kind, ListOf):
        if not isinstance(value, list):
            return [f"{path}: expected an array, got {value!r}"]
        return [
            p
            for i, v in enumerate(value)
            for p in _value_problems(kind.item, root, v, f"{path}[{i}]")
        ]
    if not isinstance(value, dict):
        return [f"{path}: expected an object, got {value!r}"]
    if isinstance(kind, MapOf):
        return [
            p for n, v in value.items() for p in _value_problems(kind.value, root, v, f"{path}.{n}")
        ]
    return _page_problems(kind, root, value, path)


# The SDK's list class declares three of these; Stripe sends `total_count` with
# a subscription's items, and search results carry their own three.
_PAGES = (
    {"object", "data", "has_more", "url"},
    {"object", "data", "has_more", "url", "total_count"},
    {"object", "data", "has_more", "url", "next_page"},
)


def _page_problems(kind: PageOf, root: str, value: Json, path: str) -> list[str]:
    found = [] if set(value) in _PAGES else [f"{path}: not a list object: {sorted(value)}"]
    for index, item in enumerate(value.get("data", [])):
        found += _value_problems(kind.item, root, item, f"{path}.data[{index}]")
    return found


def _is_scalar(name: str, value: Any) -> bool:
    if name in {"Any", "bytes"}:
        return True
    if name == "Decimal":
        return isinstance(value, str) and Decimal(value).is_finite()
    if name == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"str": str, "bool": bool}[name])
