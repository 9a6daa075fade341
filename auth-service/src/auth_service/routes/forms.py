"""Bodies that OAuth clients send as a form and others as JSON (RFC 6749 appendix B)."""

import json
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request

from auth_service.errors import MalformedBody, ValidationFailed
from auth_service.routes.middleware import parse_json

FORM = "application/x-www-form-urlencoded"
_MALFORMED_FORM = f"Send a form without duplicate names, as {FORM} in UTF-8."

_TOKEN_SCHEMA = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "minLength": 1, "description": "The refresh token."},
        "token_type_hint": {
            "type": "string",
            "description": "Ignored: only refresh tokens can be revoked.",
        },
    },
}
TOKEN_AS_FORM_OR_JSON = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _TOKEN_SCHEMA},
            FORM: {"schema": _TOKEN_SCHEMA},
        },
    }
}


async def read_form(request: Request) -> dict[str, str]:
    """Read a form in which no name appears twice (RFC 6749 §3.2).

    Raises:
        MalformedBody: It is not such a form, or not UTF-8.
    """
    if not _is_form(request):
        raise MalformedBody(_MALFORMED_FORM)
    try:
        members = parse_qs(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=16
        )
    except ValueError:
        raise MalformedBody(_MALFORMED_FORM) from None
    if any(len(values) > 1 for values in members.values()):
        raise MalformedBody(_MALFORMED_FORM)
    return {name: values[0] for name, values in members.items()}


async def has_field(request: Request, name: str) -> bool:
    """Say whether a body, which may be empty, has a field.

    Raises:
        MalformedBody: The body is neither empty nor a form or a JSON object.
    """
    return bool(await request.body()) and name in await _read_object(request)


async def read_field(request: Request, name: str) -> str:
    """Read one field of a body that is a form or a JSON object.

    Raises:
        MalformedBody: The body is neither.
        ValidationFailed: The field is missing, empty or not a string.
    """
    value = (await _read_object(request)).get(name)
    if not isinstance(value, str) or not value:
        raise ValidationFailed({name: ["Field required"]})
    return value


async def _read_object(request: Request) -> dict[str, Any]:
    if _is_form(request):
        return {**await read_form(request)}
    try:
        body = parse_json(await request.body())
    except json.JSONDecodeError:
        raise MalformedBody from None
    if not isinstance(body, dict):
        raise MalformedBody
    return body


def _is_form(request: Request) -> bool:
    # Media types have no case, and a form may name its charset (RFC 9110 §8.3.1).
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
