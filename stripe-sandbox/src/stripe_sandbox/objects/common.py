"""What several kinds of objects are made of."""

from collections.abc import Mapping
from typing import Any, TypedDict

# A part of an object, or parameters, whose fields no rule looks at one by one.
Json = dict[str, Any]

# Any object, for code that treats all kinds alike.
Thing = Mapping[str, Any]

Metadata = dict[str, str]


class Period(TypedDict):
    start: int
    end: int
