"""Turns exceptions into error responses: `{"detail", "code"}`, and `errors` for bad input."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg2 import InterfaceError as DriverInterfaceError
from psycopg2 import OperationalError as DriverOperationalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from auth_service.database import NOT_MIGRATED, SCHEMA_ERRORS, is_schema_missing
from auth_service.errors import (
    AuthError,
    BodyTooLarge,
    InternalError,
    InvalidClient,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    SecondFactorRequired,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
)
from auth_service.keys import KeysError
from auth_service.observability.request_id import request_id
from auth_service.routes.middleware import note_error_code

_RETRY_AFTER_SECONDS = 2
# SQLAlchemy's errors, and the driver's own from statements that run on the bare driver.
_UNAVAILABLE_ERRORS = (
    OperationalError,
    InterfaceError,
    DriverOperationalError,
    DriverInterfaceError,
    PoolTimeoutError,
    KeysError,
)
# What the framework raises by itself.
_ERROR_BY_STATUS: Mapping[int, type[AuthError]] = {
    400: MalformedBody,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}

logger = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Register a handler for every kind of exception."""
    app.exception_handler(AuthError)(_handle_auth_error)
    app.exception_handler(RequestValidationError)(_handle_validation_error)
    app.exception_handler(HTTPException)(_handle_framework_error)
    for kind in _UNAVAILABLE_ERRORS:
        app.exception_handler(kind)(_handle_unavailable)
    for schema_error in (ProgrammingError, *SCHEMA_ERRORS):
        app.exception_handler(schema_error)(_handle_schema_error)
    app.exception_handler(Exception)(_handle_bug)


def error_response(request: Request, error: AuthError) -> JSONResponse:
    """Write an error with the headers that its status requires."""
    note_error_code(request.scope, error.code)
    body: dict[str, object] = {"detail": error.detail, "code": error.code}
    if isinstance(error, ValidationFailed):
        body["errors"] = error.errors
        if error.error_codes:
            body["error_codes"] = error.error_codes
    if isinstance(error, SecondFactorRequired):
        body |= {"challenge": error.second_factor_challenge, "expires_in": error.expires_in}
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = _challenge(error)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return JSONResponse(body, status_code=error.status, headers=headers)


def _challenge(error: Unauthenticated) -> str:
    if isinstance(error, InvalidClient):
        return 'Basic realm="internal"'
    # RFC 6750 §3: error and error_description are quoted strings; our sentences have no quotes.
    if error.challenge is None:
        return 'Bearer realm="api"'
    return f'Bearer realm="api", error="{error.challenge}", error_description="{error.detail}"'


async def _handle_auth_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AuthError):
        raise error
    # `url.path` has no query, which could contain personal data.
    logger.info("refused %s %s: %s", request.method, request.url.path, error.code)
    return error_response(request, error)


async def _handle_validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    errors: dict[str, list[str]] = {}
    for entry in error.errors():
        if entry["type"] == "json_invalid" or entry["loc"] == ("body",):
            return error_response(request, MalformedBody())
        # The field and the sentence only: the value may be a password.
        errors.setdefault(_field(entry), []).append(entry["msg"].removeprefix("Value error, "))
    return error_response(request, ValidationFailed(errors))


def _field(entry: Mapping[str, object]) -> str:
    location = entry["loc"]
    return ".".join(str(name) for name in location[1:]) if isinstance(location, tuple) else ""


async def _handle_framework_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    known = _ERROR_BY_STATUS.get(error.status_code)
    if known is None:
        raise error
    response = error_response(request, known())
    # Such as Allow, which a 405 has to have (RFC 9110 §15.5.6).
    response.headers.update(error.headers or {})
    return response


async def _handle_unavailable(request: Request, error: Exception) -> JSONResponse:
    cause = error.orig if isinstance(error, DBAPIError) else error
    logger.error("unavailable: %s: %s", type(cause).__name__, str(cause).strip())
    return error_response(request, Unavailable(retry_after_seconds=_RETRY_AFTER_SECONDS))


async def _handle_schema_error(request: Request, error: Exception) -> JSONResponse:
    if not is_schema_missing(error):
        raise error
    logger.error("unavailable: %s", NOT_MIGRATED)
    return error_response(request, Unavailable(retry_after_seconds=_RETRY_AFTER_SECONDS))


async def _handle_bug(request: Request, _error: Exception) -> JSONResponse:
    # Starlette raises the exception again after this response, and the server logs its traceback.
    # Both happen outside `PrepareRequests`, but in the task that has the request's id.
    response = error_response(request, InternalError())
    response.headers["X-Request-Id"] = request_id.get() or ""
    return response
