"""Turns every exception a REST view raises into the one error shape."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from errors import BillingError, ValidationFailed, to_response


class _Refused(BillingError):
    """One of the framework's own refusals, such as 405 or 415."""

    def __init__(self, error: exceptions.APIException, *, headers: dict[str, str]) -> None:
        super().__init__(str(error.detail), headers=headers)
        self.code = str(error.get_codes())  # type: ignore[misc]  # one class for all of the framework's codes
        self.status = error.status_code  # type: ignore[misc]


def handle_exception(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer a refusal; anything else is a bug and stays an exception.

    Args:
        error: What the view raised.
        context: The framework's description of the view; unused.
    """
    refusal = _as_refusal(error)
    return None if refusal is None else to_response(refusal)


def _as_refusal(error: Exception) -> BillingError | None:
    match error:
        case BillingError():
            return error
        case Http404():
            return _Refused(exceptions.NotFound(), headers={})
        case PermissionDenied():
            return _Refused(exceptions.PermissionDenied(), headers={})
        case exceptions.ValidationError():
            return ValidationFailed("Some fields are wrong.", errors=_by_field(error.detail))
        case exceptions.APIException():
            return _Refused(error, headers=_headers(error))
    return None


def _headers(error: exceptions.APIException) -> dict[str, str]:
    wait = getattr(error, "wait", None)
    challenge = getattr(error, "auth_header", None)
    headers = {} if wait is None else {"Retry-After": str(max(1, int(wait)))}
    return headers if challenge is None else {**headers, "WWW-Authenticate": challenge}


def _by_field(detail: Any) -> dict[str, list[str]]:
    if isinstance(detail, dict):
        return {str(field): _sentences(value) for field, value in detail.items()}
    return {"non_field_errors": _sentences(detail)}


def _sentences(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{field}: {line}" for field, inner in value.items() for line in _sentences(inner)]
    if isinstance(value, list):
        return [line for inner in value for line in _sentences(inner)]
    return [str(value)]
