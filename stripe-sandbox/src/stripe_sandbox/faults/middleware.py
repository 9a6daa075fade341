"""Stands in front of the API and does to requests what the faults in force say."""

import asyncio
import socket
import struct
from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stripe_sandbox.error_handlers import refusal_response
from stripe_sandbox.errors import REFUSAL, InvalidParameter, StripeError
from stripe_sandbox.faults.parsing import faults_from_header
from stripe_sandbox.faults.rules import Cause, Fault, Faults

HEADER = b"sandbox-fault"

_cause: ContextVar[Cause | None] = ContextVar("cause", default=None)


class RateLimited(StripeError):
    """Too many requests, as Stripe words it."""

    status = 429


class InjectedError(StripeError):
    """Something went wrong on Stripe's end."""

    type = "api_error"


class FaultInjection:
    """ASGI middleware around everything that can answer a request.

    Only layers that hand on the server's own `send` may stand outside it.
    """

    def __init__(self, app: ASGIApp, *, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless a fault in force is for it."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        try:
            cause = _cause_of(scope)
        except InvalidParameter as refusal:
            await refusal_response(refusal)(scope, receive, send)
            return
        token = _cause.set(cause)
        try:
            await self._strike(self._faults.for_request(cause), scope, receive, send)
        finally:
            _cause.reset(token)

    async def _strike(
        self, faults: list[Fault], scope: Scope, receive: Receive, send: Send
    ) -> None:
        await _sleep(faults, "before")
        broken = next((fault for fault in faults if fault.effect != "latency"), None)
        if broken and broken.effect == "error" and broken.stored:
            # The API itself refuses, so that it keeps the refusal under the idempotency key.
            scope[REFUSAL] = _refusal(broken)
            broken = None
        if broken and broken.when == "before":
            await _break(broken, scope, receive, send)
            return
        messages: list[Message] = []
        await self._app(scope, receive, _collector(messages) if faults else send)
        await _sleep(faults, "after")
        if broken:
            await _break(broken, scope, receive, send)
            return
        for message in messages:
            await send(message)


def delivery_delays(faults: Faults, event_type: str) -> list[float]:
    """When to deliver an event that the request under way caused, if there is one."""
    return faults.delivery_delays(event_type, _cause.get())


def _cause_of(scope: Scope) -> Cause:
    header = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
    return Cause(scope["method"], scope["path"], faults_from_header(header))


async def _sleep(faults: list[Fault], when: str) -> None:
    latencies = [f.milliseconds for f in faults if f.effect == "latency" and f.when == when]
    if latencies:
        await asyncio.sleep(sum(latencies) / 1000)


def _collector(messages: list[Message]) -> Send:
    async def collect(message: Message) -> None:
        messages.append(message)

    return collect


async def _break(fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.effect == "error":
        await refusal_response(_refusal(fault))(scope, receive, send)
        return
    if fault.when == "before":
        await _read_body(receive)
    if fault.effect == "timeout" and await _leaves(receive, within=fault.milliseconds / 1000):
        return
    _reset(send)
    await _leaves(receive, within=0)


def _refusal(fault: Fault) -> StripeError:
    if fault.status == RateLimited.status:
        return RateLimited("Request rate limit exceeded.", code="rate_limit")
    refusal = InjectedError("An error was injected into this request by the sandbox.")
    refusal.status = fault.status
    refusal.keeps_work = fault.when == "after"
    return refusal


async def _read_body(receive: Receive) -> None:
    """A caller that is still sending would see a broken pipe instead of what we do to it."""
    while (await receive()).get("more_body"):
        pass


async def _leaves(receive: Receive, *, within: float) -> bool:
    """Wait for the caller to hang up; zero seconds means as long as it takes."""

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(hung_up(), within or None)
    except TimeoutError:
        return False
    return True


def _reset(send: Send) -> None:
    """Break the connection so that the caller sees ECONNRESET, not an orderly end.

    ASGI has no message for this, so uvicorn's transport is taken from the bound
    method it hands us. Lingering zero seconds makes close() send a TCP reset.
    """
    transport: Any = send.__self__.transport  # type: ignore[attr-defined]
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
