"""The single writer of error answers."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg2 import InterfaceError as DriverInterfaceError
from psycopg2 import OperationalError as DriverOperationalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from auth_service.database import UNDEFINED, UNMIGRATED, lacks_schema
from auth_service.errors import (
    AuthError,
    BodyTooLarge,
    InvalidClient,
    MalformedBody,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
)
from auth_service.keys import KeysError
from auth_service.observability.metrics import note_refusal
from auth_service.observability.request_id import request_id

_RETRY_AFTER_SECONDS = 2
# SQLAlchemy's, and the driver's own from statements that run without SQLAlchemy.
_AWAY = (
    OperationalError,
    InterfaceError,
    DriverOperationalError,
    DriverInterfaceError,
    PoolTimeoutError,
    KeysError,
)
_NAMED = {
    HTTPStatus.BAD_REQUEST: MalformedBody,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: BodyTooLarge,
}

logger = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Turn every kind of refusal into the one shape that clients know."""
    app.exception_handler(AuthError)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_framework)
    for kind in _AWAY:
        app.exception_handler(kind)(_unavailable)
    for lacking in (ProgrammingError, *UNDEFINED):
        app.exception_handler(lacking)(_unmigrated)
    app.exception_handler(Exception)(_bug)


def refusal(request: Request, error: AuthError) -> JSONResponse:
    """Write a refusal, with the header its status calls for."""
    note_refusal(request.scope, error.code)
    body: dict[str, object] = {"detail": error.detail, "code": error.code}
    if isinstance(error, ValidationFailed):
        body["errors"] = error.errors
        if error.error_codes:
            body["error_codes"] = error.error_codes
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = _challenge(error)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return JSONResponse(body, status_code=error.status, headers=headers)


def _challenge(error: Unauthenticated) -> str:
    if isinstance(error, InvalidClient):
        return 'Basic realm="internal"'
    # RFC 6750 §3: error and error_description are quoted strings; ours hold no quotes.
    if error.challenge is None:
        return 'Bearer realm="api"'
    return f'Bearer realm="api", error="{error.challenge}", error_description="{error.detail}"'


async def _refused(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AuthError):
        raise error
    # The path has no query here, so nothing a caller typed but the path itself is written.
    logger.info("refused %s %s: %s", request.method, request.url.path, error.code)
    return refusal(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    errors: dict[str, list[str]] = {}
    for entry in error.errors():
        if entry["type"] == "json_invalid" or entry["loc"] == ("body",):
            return refusal(request, MalformedBody())
        # Only the place and the sentence: the input may be a password.
        errors.setdefault(_field(entry), []).append(entry["msg"].removeprefix("Value error, "))
    return refusal(request, ValidationFailed(errors))


def _field(entry: Mapping[str, object]) -> str:
    place = entry["loc"]
    return ".".join(str(part) for part in place[1:]) if isinstance(place, tuple) else ""


async def _framework(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    if status in _NAMED:
        return refusal(request, _NAMED[status]())
    body = {"detail": f"{status.phrase}.", "code": status.name.lower()}
    note_refusal(request.scope, body["code"])
    return JSONResponse(body, status_code=status, headers=error.headers)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    cause = error.orig if isinstance(error, DBAPIError) else error
    logger.error("unavailable: %s: %s", type(cause).__name__, str(cause).strip())
    return refusal(request, Unavailable(retry_after_seconds=_RETRY_AFTER_SECONDS))


async def _unmigrated(request: Request, error: Exception) -> JSONResponse:
    if not lacks_schema(error):
        raise error
    logger.error("unavailable: %s", UNMIGRATED)
    return refusal(request, Unavailable(retry_after_seconds=_RETRY_AFTER_SECONDS))


async def _bug(_request: Request, _error: Exception) -> JSONResponse:
    # Starlette raises the error again after this answer, and the server logs its traceback. Both
    # happen outside `Edge`, but still in the task of the request whose id it has set.
    body = {"detail": "Something went wrong on our side.", "code": "internal_error"}
    headers = {"Cache-Control": "no-store", "X-Request-Id": request_id.get() or ""}
    return JSONResponse(body, status_code=HTTPStatus.INTERNAL_SERVER_ERROR, headers=headers)
