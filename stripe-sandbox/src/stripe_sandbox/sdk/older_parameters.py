"""Brings parameters of older API versions into the form of the pinned one.

Most forms are recognised by the pinned types: where they take a record that is
distinguished by its `type`, an older version took the bare word or timestamp. The
rest was renamed or dropped. Source: the parameter types of the SDKs for
2025-03-31.basil, 2025-09-30.clover and 2026-03-25.dahlia beside the pinned ones.
"""

from collections.abc import Callable
from typing import Any

from stripe_sandbox.errors import NotCovered
from stripe_sandbox.sdk.endpoints import Endpoint
from stripe_sandbox.sdk.types import Choice, ListOf, OneOf, Record, Type

Raw = dict[str, Any]


# The interval and the number of intervals between two renewals of a price, by its id.
Recurring = Callable[[str], tuple[str, int] | None]


def in_pinned_form(called: Endpoint, raw: Raw, recurring: Recurring) -> Raw:
    """The parameters as the pinned version takes them.

    Args:
        called: The call.
        raw: Decoded parameters.
        recurring: How often a price renews.

    Raises:
        NotCovered: They name payment methods other than cards.
    """
    for name, change in _CHANGED.get(called.name, {}).items():
        if name in raw:
            raw = change(raw)
    if "phases" in raw and called.name.startswith("subscription_schedules."):
        phases = raw["phases"].items() if isinstance(raw["phases"], dict) else ()
        raw = {**raw, "phases": {step: _lasting(phase, recurring) for step, phase in phases}}
    return _tagged(called.params, raw) if called.params else raw


def _lasting(phase: Any, recurring: Recurring) -> Any:
    """A phase of a number of iterations lasts as many intervals of its price."""
    if not isinstance(phase, dict) or "iterations" not in phase:
        return phase
    items = phase.get("items")
    first = next(iter(items.values()), None) if isinstance(items, dict) else None
    named = first.get("price") or first.get("plan") if isinstance(first, dict) else None
    interval = recurring(str(named))
    if interval is None or not str(phase["iterations"]).isdecimal():
        return phase
    lasts = {"interval": interval[0], "interval_count": str(int(phase["iterations"]) * interval[1])}
    return {**{n: v for n, v in phase.items() if n != "iterations"}, "duration": lasts}


def _tagged(record: Record, raw: Raw) -> Raw:
    return {
        name: _tagged_value(record.fields[name].type, value) if name in record.fields else value
        for name, value in raw.items()
    }


def _tagged_value(kind: Type, value: Any) -> Any:
    if isinstance(value, dict):
        return _inside(kind, value)
    if isinstance(kind, Record) and isinstance(value, str):
        return _with_type(kind, value)
    return value


def _inside(kind: Type, value: Raw) -> Raw:
    if isinstance(kind, OneOf):
        kind = next((o for o in kind.options if isinstance(o, Record | ListOf)), kind)
    if isinstance(kind, ListOf):
        return {step: _tagged_value(kind.item, one) for step, one in value.items()}
    return _tagged(kind, value) if isinstance(kind, Record) else value


def _with_type(record: Record, value: str) -> Any:
    tag = record.fields.get("type")
    types = tag.type.values if tag and isinstance(tag.type, Choice) else ()
    if value in types:
        return {"type": value}
    if value.isdecimal() and "timestamp" in types:
        return {"type": "timestamp", "timestamp": value}
    return value


def _cards_alone(raw: Raw) -> Raw:
    """A list of payment method types says nothing where there are only cards."""
    types = raw["payment_method_types"]
    if not isinstance(types, dict) or set(types.values()) != {"card"}:
        raise NotCovered("payment methods other than cards", param="payment_method_types")
    return {name: value for name, value in raw.items() if name != "payment_method_types"}


def _no_redirects(raw: Raw) -> Raw:
    """An intent for cards alone never redirects, so that it needs no URL to return to."""
    return {
        "automatic_payment_methods": {"enabled": "true", "allow_redirects": "never"},
        **_cards_alone(raw),
    }


def _ui_mode(raw: Raw) -> Raw:
    renamed = {"custom": "elements", "embedded": "embedded_page", "hosted": "hosted_page"}
    return {**raw, "ui_mode": renamed.get(raw["ui_mode"], raw["ui_mode"])}


def _promotion(raw: Raw) -> Raw:
    rest = {name: value for name, value in raw.items() if name != "coupon"}
    return {**rest, "promotion": {"type": "coupon", "coupon": raw["coupon"]}}


_Change = Callable[[Raw], Raw]
_TYPES: dict[str, _Change] = {"payment_method_types": _cards_alone}
_CHANGED: dict[str, dict[str, _Change]] = {
    "checkout.sessions.create": {**_TYPES, "ui_mode": _ui_mode},
    "payment_intents.confirm": _TYPES,
    "payment_intents.create": {"payment_method_types": _no_redirects},
    "payment_intents.update": _TYPES,
    "promotion_codes.create": {"coupon": _promotion},
    "setup_intents.create": {"payment_method_types": _no_redirects},
    "setup_intents.update": _TYPES,
}
