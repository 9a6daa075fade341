"""The websocket of `stripe listen`, subprotocol `stripecli-devproxy-v1`."""

import asyncio
import json

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from stripe_sandbox.objects.common import Json
from stripe_sandbox.sdk.source import api_version
from stripe_sandbox.stripe_cli.sessions import Session, Sessions
from stripe_sandbox.webhooks.signing import signature_header

SUBPROTOCOL = "stripecli-devproxy-v1"


async def serve(websocket: WebSocket, sessions: Sessions) -> None:
    """Push events to one CLI until its socket closes."""
    session = sessions.get(websocket.headers.get("websocket-id", ""))
    if session is None:
        # The CLI asks for a new session when it reads this, as after a restart.
        refusal = {"error": {"message": "Unknown WebSocket ID."}}
        await websocket.send_denial_response(JSONResponse(refusal, 400))
        return
    await websocket.accept(subprotocol=SUBPROTOCOL)
    outbox = session.connect()
    sending = asyncio.create_task(_send(websocket, session, outbox))
    try:
        await _receive(websocket, session)
    finally:
        session.disconnect()
        sending.cancel()


async def _receive(websocket: WebSocket, session: Session) -> None:
    try:
        while True:
            answer = json.loads(await websocket.receive_text())
            if answer.get("type") == "event_ack":
                session.acknowledge(answer["webhook_conversation_id"])
    except WebSocketDisconnect:
        return


async def _send(websocket: WebSocket, session: Session, outbox: asyncio.Queue[str]) -> None:
    while True:
        conversation = await outbox.get()
        event = session.unacknowledged.get(conversation)
        if event is None:
            continue
        # `listen` drops what names a version and `listen --latest` what does not.
        # Both versions are the same here, so each kind takes one of the two.
        for version in (None, api_version()):
            message = _webhook_event(conversation, event, version, secret=session.secret)
            try:
                await websocket.send_text(json.dumps(message))
            except WebSocketDisconnect:
                return


def _webhook_event(conversation: str, event: Json, version: str | None, *, secret: str) -> Json:
    payload = json.dumps(event, indent=2)
    return {
        "type": "webhook_event",
        "webhook_id": f"we_{event['id'].removeprefix('evt_')}",
        "webhook_conversation_id": conversation,
        "endpoint": {"api_version": version},
        "event_payload": payload,
        "http_headers": {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature_header(payload, secret=secret),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        },
    }
