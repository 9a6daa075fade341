"""What refusals say, for tests that look closer than the SDK's exceptions."""

from typing import Any


def error_in(refused: Any) -> dict[str, Any]:
    """The error object of a refusal, as it was on the wire."""
    error: dict[str, Any] = refused.value.json_body["error"]
    return error
