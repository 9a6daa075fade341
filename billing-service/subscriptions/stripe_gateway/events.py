"""Stripe's own list of events."""

from collections.abc import Iterator
from typing import Any

from subscriptions.stripe_gateway.client import call


def events_since(seconds: int) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of events, newest first, as they would have been delivered.

    Args:
        seconds: Only events created at or after this moment, in seconds since the epoch.
    """
    after: str | None = None
    while True:
        page = call(
            "get",
            "/v1/events",
            params={
                "created": {"gte": seconds},
                "limit": 100,
                **({"starting_after": after} if after else {}),
            },
        )
        yield page["data"]
        if not page["has_more"]:
            return
        after = page["data"][-1]["id"]
