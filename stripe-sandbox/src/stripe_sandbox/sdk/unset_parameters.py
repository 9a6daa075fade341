"""Which parameters an empty string may unset.

The SDK's types name the empty string where it stands for an object, a list or
an enum, and often leave it out where any text is allowed. Stripe unsets those
as well: text that the object shows as null, in calls that change the object,
and text of a new object that a change could unset.
"""

from dataclasses import dataclass

from stripe_sandbox.sdk.endpoints import Endpoint, endpoint
from stripe_sandbox.sdk.types import Expandable, Field, ListOf, OneOf, PageOf, Record, Scalar, Type


@dataclass(frozen=True)
class Unsettable:
    """One level of a request's parameters.

    Attributes:
        shown: What the answer shows at this place.
        changed: The parameters of a change to the object at this place; None if
            it has no such parameters.
        is_change: Whether the request itself is that change.
    """

    shown: Record | None
    changed: Record | None
    is_change: bool

    def allows(self, name: str, field: Field) -> bool:
        """Whether an empty string for this parameter unsets it."""
        shown = self.shown.fields.get(name) if self.shown else None
        if not (field.optional and field.type == Scalar("str") and shown and shown.optional):
            return False
        if self.is_change:
            return True
        changed = self.changed.fields.get(name) if self.changed else None
        reference = isinstance(shown.type, Expandable)
        return changed is not None and changed.type == field.type and not reference

    def inside(self, name: str) -> "Unsettable":
        """The level inside a parameter."""
        return Unsettable(_child(self.shown, name), _child(self.changed, name), self.is_change)


def unsettable(called: Endpoint) -> Unsettable:
    """The first level of a call's parameters."""
    family, _, verb = called.name.rpartition(".")
    shown = called.result if isinstance(called.result, Record) else None
    return Unsettable(shown, _params_of_change(family), is_change=verb == "update")


def _params_of_change(family: str) -> Record | None:
    try:
        return endpoint(f"{family}.update").params
    except LookupError:
        return None


def _child(record: Record | None, name: str) -> Record | None:
    field = record.fields.get(name) if record else None
    return _record_in(field.type) if field else None


def _record_in(kind: Type) -> Record | None:
    if isinstance(kind, OneOf):
        return next((found for o in kind.options if (found := _record_in(o))), None)
    if isinstance(kind, ListOf | PageOf):
        kind = kind.item
    return kind if isinstance(kind, Record) else None
