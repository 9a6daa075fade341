"""Removes a user for good: first at Stripe, then at auth-service, then here."""

from collections.abc import Callable
from uuid import UUID

_cancellers: list[Callable[[UUID], None]] = []


def before_deletion(cancel_everything_for: Callable[[UUID], None]) -> None:
    """Register what must be settled before a user may go; called while apps get ready.

    Args:
        cancel_everything_for: Ends the user's subscriptions at Stripe and returns when that is
            confirmed. It raises a `BillingError` when Stripe is away: the deletion then stays
            pending and is tried again. Must be safe to repeat.
    """
    _cancellers.append(cancel_everything_for)


def finish_deletions() -> int:
    """Carry every pending deletion as far as it goes; return how many were finished."""
    return 0
