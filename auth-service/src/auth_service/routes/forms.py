"""Bodies that OAuth sends as forms and others as JSON (RFC 6749 appendix B)."""

import json
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request

from auth_service.errors import MalformedBody, ValidationFailed
from auth_service.routes.middleware import parse_json

FORM = "application/x-www-form-urlencoded"

_TOKEN_SCHEMA = {
    "type": "object",
    "required": ["token"],
    # `token_type_hint` may come along; only refresh tokens can be revoked, so it is not read.
    "properties": {"token": {"type": "string", "minLength": 1}},
}
FORM_AND_JSON = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _TOKEN_SCHEMA},
            FORM: {"schema": _TOKEN_SCHEMA},
        },
    }
}


async def read_form(request: Request) -> dict[str, str]:
    """Read a form in which every name stands once (RFC 6749 §3.2).

    Raises:
        MalformedBody: Not a form, not UTF-8, or a name stands twice.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise MalformedBody("Send the body as application/x-www-form-urlencoded.")
    try:
        members = parse_qs(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=16
        )
    except ValueError:
        raise MalformedBody from None
    if any(len(values) > 1 for values in members.values()):
        raise MalformedBody
    return {name: values[0] for name, values in members.items()}


async def read_member(request: Request, name: str) -> str:
    """Read one text member of a body that is a form or a JSON object.

    Raises:
        MalformedBody: Neither of them.
        ValidationFailed: The member is missing, empty or no text.
    """
    value = (await _read_object(request)).get(name)
    if not isinstance(value, str) or not value:
        raise ValidationFailed({name: ["Field required"]})
    return value


async def _read_object(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith(FORM):
        return {**await read_form(request)}
    try:
        body = parse_json(await request.body())
    except json.JSONDecodeError:
        raise MalformedBody from None
    if not isinstance(body, dict):
        raise MalformedBody
    return body
