"""Stripe's own list of events."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from subscriptions.stripe_gateway.client import call, pages


@dataclass(frozen=True, kw_only=True)
class StripeSetupFailure:
    """A card that was refused while a setup intent was completed."""

    event_id: str
    setup_intent_id: str
    payment_method_id: str
    fingerprint: str
    code: str
    at: datetime


def fetch_setup_failure(event_id: str) -> StripeSetupFailure:
    """Fetch what a `setup_intent.setup_failed` event tells; the intent itself keeps the last alone.

    Args:
        event_id: `evt_…`.

    Raises:
        StripeObjectNotFound: Stripe no longer shows it, which it does for 30 days.
    """
    event = call("get", "/v1/events/{}", event_id)
    intent = event["data"]["object"]
    error = intent.get("last_setup_error") or {}
    payment_method = error.get("payment_method") or {}
    return StripeSetupFailure(
        event_id=event["id"],
        setup_intent_id=intent["id"],
        payment_method_id=payment_method.get("id") or "",
        fingerprint=(payment_method.get("card") or {}).get("fingerprint") or "",
        code=error.get("decline_code") or error.get("code") or "",
        at=datetime.fromtimestamp(event["created"], UTC),
    )


def events_since(seconds: int) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of events, newest first, as they would have been delivered.

    Args:
        seconds: Only events created at or after this moment, in seconds since the epoch.
    """
    yield from pages("/v1/events", params={"created": {"gte": seconds}})
