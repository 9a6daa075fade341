"""What every request passes: its id and path, its metrics, and strict parsing of its body."""

import json
import re
import time
from collections.abc import Callable, Coroutine
from functools import cache
from http import HTTPStatus
from typing import Any, NoReturn
from uuid import uuid4

from fastapi import Request, Response
from fastapi.routing import APIRoute
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth_service.observability.metrics import LATENCY, LOGINS, REFRESHES
from auth_service.observability.request_id import request_id

MAXIMUM_BODY_BYTES = 8192
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ERROR_CODE = "auth_service.error_code"
_OUTCOMES = {
    "/api/token/obtain": LOGINS,
    "/api/token/second-factor": LOGINS,
    "/api/token/refresh": REFRESHES,
}


# What a browser may do with an answer that it shows (W3C Content Security Policy 3). A page loads
# files of ours alone; Swagger UI's style sheet has its icons as data URLs.
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class PrepareRequests:
    """ASGI middleware for all requests: the id, HEAD, the trailing slash, and protective headers.

    It does not redirect `/path/` to `/path`, because many clients drop the body of a redirected
    POST. HEAD runs as GET (RFC 9110 §9.3.2); the server leaves the body out. An answer that does
    not say itself whether it may be stored is not stored, as those with tokens require (RFC 6749
    §5.1).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path != "/" and path.endswith("/"):
            scope["path"] = path[:-1]
        if scope["method"] == "HEAD":
            # A copy: the server looks at its own to leave the body out.
            scope = {**scope, "method": "GET"}
        sent_id = Headers(scope=scope).get("x-request-id", "")
        current_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid4().hex
        # Not reset at the end: each request is a task of its own, and the server logs the
        # traceback of a bug after this middleware has returned.
        request_id.set(current_id)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = current_id
                headers.setdefault("Cache-Control", "no-store")
                is_page = headers.get("Content-Type", "").startswith("text/html")
                policy = _PAGE_POLICY if is_page else _DATA_POLICY
                headers.setdefault("Content-Security-Policy", policy)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def note_error_code(scope: Scope, code: str) -> None:
    """Set the outcome under which the request is counted."""
    scope[_ERROR_CODE] = code


class MeasureRequests:
    """ASGI middleware that measures latency and counts the outcomes of log-ins and refreshes.

    A request pays for one clock reading and two additions in shared memory.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note_status)
        finally:
            _count(scope, status, time.perf_counter() - started)


def _count(scope: Scope, status: int, seconds: float) -> None:
    # The route's template, never the raw path: clients must not be able to add time series.
    route = getattr(scope.get("route"), "path", "unknown").rstrip("/")
    _latency_of(route, status).observe(seconds)
    outcomes = _OUTCOMES.get(route)
    if outcomes:
        code = "ok" if status < 400 else scope.get(_ERROR_CODE, str(status))  # noqa: PLR2004 # RFC 9110 §15
        outcomes.labels(code).inc()


@cache
def _latency_of(route: str, status: int) -> Histogram:
    return LATENCY.labels(route, status)


class StrictRoute(APIRoute):
    """A route that refuses large bodies, and JSON in which a name appears twice in one object.

    Parsers disagree on which of two equal names counts (RFC 8259 §4). Whatever checks a request
    before us could see another value than we do.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            received = bytearray()
            async for chunk in self.stream():
                received += chunk
                if len(received) > MAXIMUM_BODY_BYTES:
                    # FastAPI turns other exceptions raised here into a 400.
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            self._body = bytes(received)
        return self._body

    async def json(self) -> Any:
        return parse_json(await self.body())


def parse_json(body: bytes) -> Any:
    """Parse JSON in UTF-8; refuse duplicate names, and numbers such as NaN that JSON does not have.

    Raises:
        json.JSONDecodeError: The body is not such JSON.
    """
    try:
        # Of bytes `json` guesses the encoding; of a string it refuses a byte order mark, too.
        return json.loads(
            body.decode(),
            object_pairs_hook=_object_with_distinct_names,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError("not acceptable", "", 0) from error


def _object_with_distinct_names(members: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(members)
    if len(parsed) != len(members):
        raise ValueError("a name appears twice in one object")
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
