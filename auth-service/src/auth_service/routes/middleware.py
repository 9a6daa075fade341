"""The outermost layer: request ids, one spelling of each path, strict JSON."""

import json
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, NoReturn
from uuid import uuid4

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth_service.observability.request_id import request_id

# The largest body any client has a reason to send.
LARGEST_BODY = 8192
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Edge:
    """Gives every request an id and makes `/path/` and `/path` the same, without a redirect.

    A redirected POST would lose its body in many clients.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path != "/" and path.endswith("/"):
            scope["path"] = path[:-1]
        offered = Headers(scope=scope).get("x-request-id", "")
        identity = offered if _REQUEST_ID.fullmatch(offered) else uuid4().hex
        # Never reset: each request is a task of its own, and what is logged about a bug after we
        # are left belongs to it.
        request_id.set(identity)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = identity
            await send(message)

        await self._app(scope, receive, send_with_id)


class StrictRoute(APIRoute):
    """A route whose bodies are small, and whose JSON does not name a member twice.

    Parsers disagree on which of two equal names counts (RFC 8259 §4), and what they disagree
    on gets past whoever looks first.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Hand the request on as one that parses strictly."""
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
                if len(received) > LARGEST_BODY:
                    # FastAPI lets this kind through; our handler gives it our shape.
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            self._body = bytes(received)
        return self._body

    async def json(self) -> Any:
        return parse_json(await self.body())


def parse_json(body: bytes) -> Any:
    """Parse a body of JSON without duplicate names and without numbers JSON does not have.

    Raises:
        json.JSONDecodeError: Anything else.
    """
    try:
        return json.loads(
            body, object_pairs_hook=_distinct_members, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError("not acceptable", "", 0) from error


def _distinct_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    distinct = dict(members)
    if len(distinct) != len(members):
        raise ValueError("a name stands twice in one object")
    return distinct


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
