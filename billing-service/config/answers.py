"""Answers to requests that no view has answered."""

import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from errors import Unavailable, to_response

# A connection that is refused, lost or not free in time; a lock that was not had in time.
AWAY = (OperationalError, InterfaceError)

_log = logging.getLogger(__name__)


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
