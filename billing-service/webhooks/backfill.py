"""Fetches the events that were never delivered from Stripe's own list, which goes back 30 days."""

from collections.abc import Iterator
from datetime import datetime

from subscriptions.stripe_gateway.events import events_since
from webhooks.event_types import read_event
from webhooks.inbox import store
from webhooks.models import WebhookEvent


def backfill(since: datetime) -> Iterator[str]:
    """Store what the inbox does not have yet; yield the id of each event that was missing.

    Args:
        since: How far to look back.
    """
    for page in events_since(int(since.timestamp())):
        known = set(
            WebhookEvent.objects.filter(id__in=[event["id"] for event in page]).values_list(
                "id", flat=True
            )
        )
        for event in page:
            if event["id"] not in known:
                store(read_event(event))
                yield event["id"]
