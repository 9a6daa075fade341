"""The CLI's private endpoints."""

import hmac
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from stripe_sandbox.api.http import check_key
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import NotCovered
from stripe_sandbox.resources import events
from stripe_sandbox.sdk import form_encoding
from stripe_sandbox.sdk.source import api_version
from stripe_sandbox.storage.kinds import EVENT
from stripe_sandbox.storage.store import Store
from stripe_sandbox.stripe_cli import payment_pages, socket
from stripe_sandbox.stripe_cli.sessions import Session, Sessions

SOCKET_PATH = "/stripecli/subscribe"

# After this long the CLI renews its socket; it reads no sign of life but pings.
_RECONNECT_SECONDS = 60


def routes(store: Store, sessions: Sessions, *, listen_secret: str | None) -> list[BaseRoute]:
    """The session endpoint, the socket it names, and `events resend`.

    Args:
        sessions: The running `stripe listen` processes.
        listen_secret: What `listen` signs with; None for one per API key and device.
    """

    async def create(request: Request) -> Response:
        check_key(request.headers.get("authorization"), live=store.live)
        sent = form_encoding.decode((await request.body()).decode())
        wanted = set(sent.get("websocket_features", {}).values())
        if wanted != {"webhooks"}:
            raise NotCovered(f"the CLI feature {', '.join(sorted(wanted))}")
        secret = listen_secret or _secret(request, str(sent.get("device_name", "")))
        return JSONResponse(_session(sessions.start(secret=secret), request))

    async def subscribe(websocket: WebSocket) -> None:
        await socket.serve(websocket, sessions)

    async def show_page(request: Request) -> Response:
        check_key(request.headers.get("authorization"), live=store.live)
        with store.work() as work:
            return JSONResponse(payment_pages.show(work, request.path_params["id"]))

    async def confirm_page(request: Request) -> Response:
        check_key(request.headers.get("authorization"), live=store.live)
        sent = form_encoding.decode((await request.body()).decode())
        with store.work() as work:
            return JSONResponse(payment_pages.confirm(work, request.path_params["id"], sent))

    async def retry(request: Request) -> Response:
        check_key(request.headers.get("authorization"), live=store.live)
        sent = form_encoding.decode((await request.body()).decode())
        with store.work() as work:
            event = work.get(EVENT, request.path_params["id"])
            if sent.get("for_stripecli") == "true":
                sessions.push([present(work, event)])
            else:
                events.resend(work, event["id"], sent.get("webhook_endpoint"))
            return JSONResponse(present(work, event))

    return [
        Route("/v1/stripecli/sessions", create, methods=["POST"]),
        Route("/v1/events/{id}/retry", retry, methods=["POST"]),
        Route("/v1/payment_pages/{id}", show_page, methods=["GET"]),
        Route("/v1/payment_pages/{id}/confirm", confirm_page, methods=["POST"]),
        WebSocketRoute(SOCKET_PATH, subscribe),
    ]


def _secret(request: Request, device: str) -> str:
    """The same for every `listen` of a device, so that it can be configured once."""
    key = request.headers.get("authorization", "").encode()
    return f"whsec_{hmac.new(key, device.encode(), sha256).hexdigest()}"


def _session(session: Session, request: Request) -> dict[str, Any]:
    return {
        "object": "stripecli_session",
        "websocket_id": session.id,
        "websocket_url": f"ws://{request.url.netloc}{SOCKET_PATH}",
        "websocket_authorized_feature": "webhooks",
        "secret": session.secret,
        "reconnect_delay": _RECONNECT_SECONDS,
        "default_version": api_version(),
        "latest_version": api_version(),
        "display_connect_filter_warning": False,
        "device_token": "",
    }
