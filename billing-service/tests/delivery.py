"""Signed webhook deliveries, and a worker that processes until nothing is due."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from django.test import Client

from webhooks.process import process_next

SECRET = "whsec_sandbox_demo_secret"
PATH = "/api/stripe-webhook/"


def signature(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    """Return the header Stripe would send."""
    timestamp = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={digest.hexdigest()}"


def deliver(event: dict[str, Any], *, client: Client | None = None) -> Any:
    """Deliver an event as Stripe does."""
    body = json.dumps(event).encode()
    return (client or Client()).post(
        PATH,
        data=body,
        content_type="application/json",
        headers={"Stripe-Signature": signature(body)},
    )


def process_events() -> None:
    """Process every event that is due, as the worker does."""
    while process_next():
        pass


def run_nightly(job: Callable[..., None]) -> None:
    """Run a nightly job to its end."""
    job(SimpleNamespace(should_abort=lambda: False), timestamp=0)
