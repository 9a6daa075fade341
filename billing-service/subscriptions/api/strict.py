"""Input in which nothing is ignored and nothing is converted."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

Errors = dict[str, list[str]]

# A field's class, the JSON type it takes, and what to say of any other. DRF itself converts: it
# reads 0 as false and 5 as "5".
_JSON_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.BooleanField, bool, "Must be true or false."),
    (serializers.IntegerField, int, "Must be an integer."),
    (serializers.CharField, str, "Must be a string."),
)


class StrictQuery(serializers.Serializer[Any]):
    """Query parameters; one that is not known is refused by its name.

    A client that sends a name means something by it: answering as if it were not there hides a
    misspelling.
    """

    def to_internal_value(self, data: Any) -> Any:
        """Check names, then values.

        Raises:
            serializers.ValidationError: Sentences by field.
        """
        if isinstance(data, Mapping) and (errors := self._refused(data)):
            raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    def _refused(self, data: Mapping[str, Any]) -> Errors:
        return {name: ["This field is not known."] for name in data if name not in self.fields}


class StrictBody(StrictQuery):
    """A JSON body; a value of another type than the field's is refused as well.

    `"at_period_end": 0` must not end a subscription, and `promotion_code` not be charged in full.
    """

    def _refused(self, data: Mapping[str, Any]) -> Errors:
        return super()._refused(data) | {
            name: [sentence]
            for name, field in self.fields.items()
            for kind, json_type, sentence in _JSON_TYPES
            if isinstance(field, kind)
            and data.get(name) is not None
            and type(data[name]) is not json_type
        }


class EmptyBody(StrictBody):
    """A call that takes no fields: no body, or an empty object."""
