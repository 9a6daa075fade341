"""Sends an event once more: the CLI's `events resend` and the dashboard's button."""

from typing import Any

from stripe_sandbox import events
from stripe_sandbox.store import Work
from stripe_sandbox.stripe_cli.sessions import Sessions

Json = dict[str, Any]


def resend(work: Work, sessions: Sessions, event: Json, *, endpoint: str | None = None) -> None:
    """Deliver an event again.

    Args:
        work: The unit of work.
        sessions: The running `stripe listen` processes.
        event: The stored event.
        endpoint: The only webhook endpoint to send to; None for every enabled
            endpoint that wants the type, and every `stripe listen`.
    """
    if endpoint:
        chosen = [work.referenced("webhook_endpoint", endpoint, param="webhook_endpoint")]
    else:
        chosen = [
            one
            for one in work.all("webhook_endpoint", status="enabled")
            if {"*", event["type"]} & set(one["enabled_events"])
        ]
        resend_to_cli(sessions, event)
    for one in chosen:
        events.queue(work, event["id"], one["id"])


def resend_to_cli(sessions: Sessions, event: Json) -> None:
    """Have every `stripe listen` forward an event again."""
    public = {name: value for name, value in event.items() if not name.startswith("_")}
    sessions.push([public])
