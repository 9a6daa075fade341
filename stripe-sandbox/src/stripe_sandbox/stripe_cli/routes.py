"""The CLI's private endpoints."""

import hmac
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from stripe_sandbox import forms
from stripe_sandbox.errors import NotCovered
from stripe_sandbox.sdk.source import api_version
from stripe_sandbox.stripe_cli import socket
from stripe_sandbox.stripe_cli.sessions import Session, Sessions

SOCKET_PATH = "/stripecli/subscribe"

# After this long the CLI renews its socket; it reads no sign of life but pings.
_RECONNECT_SECONDS = 60


def routes(sessions: Sessions, *, listen_secret: str | None) -> list[BaseRoute]:
    """The session endpoint and the socket it names.

    Args:
        sessions: The running `stripe listen` processes.
        listen_secret: What `listen` signs with; None for one per API key and device.
    """

    async def create(request: Request) -> Response:
        sent = forms.decode((await request.body()).decode())
        wanted = set(sent.get("websocket_features", {}).values())
        if wanted != {"webhooks"}:
            refusal = NotCovered(f"The sandbox has no CLI feature {', '.join(sorted(wanted))}.")
            return JSONResponse(refusal.body(), refusal.status)
        secret = listen_secret or _secret(request, str(sent.get("device_name", "")))
        return JSONResponse(_session(sessions.start(secret=secret), request))

    async def subscribe(websocket: WebSocket) -> None:
        await socket.serve(websocket, sessions)

    return [
        Route("/v1/stripecli/sessions", create, methods=["POST"]),
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
