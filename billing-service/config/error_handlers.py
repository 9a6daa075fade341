"""Answers every refusal and failure, of REST views and others, in the one error shape."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions

from errors import BillingError, Unavailable, ValidationFailed, to_response

# A connection that is refused, lost or not free in time; a lock that was not had in time.
AWAY = (OperationalError, InterfaceError)

_log = logging.getLogger(__name__)


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


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for a path that leads nowhere: JSON below `/api/`, a page elsewhere."""
    if _is_for_programs(request):
        return JsonResponse({"detail": "There is nothing here.", "code": "not_found"}, status=404)
    return defaults.page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer for a bug of ours, whose traceback is in the log."""
    if _is_for_programs(request):
        body = {"detail": "Something went wrong on our side.", "code": "internal_error"}
        return JsonResponse(body, status=500)
    return defaults.server_error(request)


def database_away(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Answer a call while our database is away; a page is left to become a logged 500."""
    if not _is_for_programs(request):
        return None
    _log.error("Database unavailable", extra={"error": type(error).__name__})
    return to_response(
        Unavailable("The service is temporarily unavailable.", retry_after_seconds=2)
    )


def _is_for_programs(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")
