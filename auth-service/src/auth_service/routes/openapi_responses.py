"""How the OpenAPI document describes refusals: by the error classes themselves."""

from typing import Any

from auth_service.errors import AuthError, Unauthenticated, ValidationFailed
from auth_service.schemas import Refusal

_WITH_RETRY_AFTER = {429, 503}


def refusals(*kinds: type[AuthError]) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of an endpoint, with an example of each `code`."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        answer = described.setdefault(kind.status, _answer(kind))
        answer["content"]["application/json"]["examples"][kind.code] = {
            "summary": (kind.__doc__ or "").partition("\n")[0],
            "value": _example(kind),
        }
    return described


def _answer(kind: type[AuthError]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "model": Refusal,
        "description": kind.detail,
        "content": {"application/json": {"examples": {}}},
    }
    text = {"schema": {"type": "string"}}
    if issubclass(kind, Unauthenticated):
        answer["headers"] = {"WWW-Authenticate": text}
    if kind.status in _WITH_RETRY_AFTER:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return answer


def _example(kind: type[AuthError]) -> dict[str, Any]:
    example: dict[str, Any] = {"detail": kind.detail, "code": kind.code}
    if issubclass(kind, ValidationFailed):
        example["errors"] = {"username": ["Field required"]}
    return example
