"""Turns every refusal and failure into the one JSON shape that errors have."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions

from errors import (
    BillingError,
    BodyTooLarge,
    InternalError,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    Unavailable,
    ValidationFailed,
    to_response,
)
from identity.errors import NotAuthenticated

# A connection that is refused, lost or not free in time; a lock that was not had in time.
_DATABASE_UNAVAILABLE = (OperationalError, InterfaceError)

# Refusals of Django and the REST framework that mean the same as one of ours.
_EQUIVALENTS: dict[type[Exception], Callable[[], BillingError]] = {
    Http404: NotFound,
    exceptions.NotAuthenticated: NotAuthenticated,
    exceptions.MethodNotAllowed: MethodNotAllowed,
    exceptions.ParseError: MalformedBody,
    exceptions.UnsupportedMediaType: MalformedBody,
    RequestDataTooBig: BodyTooLarge,
}

_log = logging.getLogger(__name__)


class _FrameworkRefusal(BillingError):
    """One of the framework's refusals that have no class of ours, such as 406."""

    def __init__(self, error: exceptions.APIException) -> None:
        super().__init__(str(error.detail))
        self.code = str(error.get_codes())  # type: ignore[misc]  # one class for all of the framework's codes
        self.status = error.status_code  # type: ignore[misc]


def handle_exception(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer a refusal of a REST view; anything else is a bug and stays an exception.

    Args:
        error: What the view raised.
        context: The framework's description of the view; unused.
    """
    refusal = _as_refusal(error)
    return None if refusal is None else to_response(refusal)


def _as_refusal(error: Exception) -> BillingError | None:
    for theirs, ours in _EQUIVALENTS.items():
        if isinstance(error, theirs):
            return ours()
    match error:
        case BillingError():
            return error
        case PermissionDenied():
            return _FrameworkRefusal(exceptions.PermissionDenied())
        case exceptions.ValidationError():
            return ValidationFailed(_by_field(error.detail))
        case exceptions.APIException():
            return _FrameworkRefusal(error)
    return None


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


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for a path without a view: JSON below `/api/`, a page elsewhere."""
    if _is_api(request):
        return to_response(NotFound())
    return defaults.page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer for a bug of ours, whose traceback is in the log."""
    return to_response(InternalError()) if _is_api(request) else defaults.server_error(request)


def view_raised(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Answer for what a view outside the REST framework raised; None makes it a logged 500."""
    if isinstance(error, BillingError):
        return to_response(error)
    if isinstance(error, RequestDataTooBig):
        return to_response(BodyTooLarge())
    if isinstance(error, _DATABASE_UNAVAILABLE) and _is_api(request):
        _log.error("Database unavailable", extra={"error": type(error).__name__})
        return to_response(Unavailable(retry_after_seconds=2))
    return None


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")
