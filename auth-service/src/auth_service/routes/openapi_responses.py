"""Documents error responses in the OpenAPI document, from the error classes themselves."""

from typing import Any

from auth_service.errors import (
    AuthError,
    InvalidAudience,
    SecondFactorRequired,
    Unauthenticated,
    ValidationFailed,
)
from auth_service.schemas import ErrorResponse

_RETRY_AFTER_STATUSES = {429, 503}
_EXAMPLE_ERRORS: dict[type[AuthError], dict[str, Any]] = {
    InvalidAudience: dict(InvalidAudience().errors)
}


# Of responses with both tokens.
SETS_COOKIE: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Set-Cookie": {
                "description": "The refresh token, if `refresh_in` was `cookie` or it came in one.",
                "schema": {"type": "string"},
            }
        }
    }
}


def errors(*kinds: type[AuthError]) -> dict[int | str, dict[str, Any]]:
    """Return FastAPI's `responses` for some errors, with an example of each `code`."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = responses.setdefault(kind.status, _response(kind))
        response["content"]["application/json"]["examples"][kind.code] = {
            "summary": (kind.__doc__ or "").partition("\n")[0],
            "value": _example(kind),
        }
    return responses


def _response(kind: type[AuthError]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "model": ErrorResponse,
        "description": kind.detail,
        "content": {"application/json": {"examples": {}}},
    }
    if issubclass(kind, Unauthenticated):
        response["headers"] = {
            "WWW-Authenticate": {
                "description": "How to authenticate (RFC 9110 §11.6.1).",
                "schema": {"type": "string"},
            }
        }
    if kind.status in _RETRY_AFTER_STATUSES:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds until the request can succeed.",
                "schema": {"type": "integer"},
            }
        }
    return response


def _example(kind: type[AuthError]) -> dict[str, Any]:
    example: dict[str, Any] = {"detail": kind.detail, "code": kind.code}
    if issubclass(kind, ValidationFailed):
        example["errors"] = _EXAMPLE_ERRORS.get(kind, {"username": ["Field required"]})
    if issubclass(kind, SecondFactorRequired):
        example |= {"challenge": "7vE0mJ0XoDIbcmJ1QZ3a0dMkTMZy0m3H8b9h7bT0a5E", "expires_in": 300}
    return example
