"""What Stripe's subscription statuses mean to our callers."""

from datetime import datetime, timedelta

# A user with a subscription in one of these must not get a second one.
LIVE = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})
# Paid for, or not due yet.
IN_GOOD_STANDING = frozenset({"active", "trialing"})
# An invoice of it waits to be paid.
OVERDUE = frozenset({"past_due", "unpaid"})
# Stripe never moves a subscription out of these.
ENDED = frozenset({"canceled", "incomplete_expired"})


def our_status(stripe_status: str, *, access_until: datetime | None, now: datetime) -> str:
    """Translate Stripe's word into `successful`, `failed` or `canceled`.

    Args:
        stripe_status: Stripe's `subscription.status`.
        access_until: Stored end of access; it bounds the grace of `past_due`.
        now: The moment to answer for.
    """
    if stripe_status in IN_GOOD_STANDING:
        return "successful"
    if stripe_status == "past_due":
        return "successful" if access_until is not None and now < access_until else "failed"
    return "canceled" if stripe_status == "canceled" else "failed"


def access_end(
    stripe_status: str,
    *,
    period_end: datetime | None,
    unpaid_since: datetime | None,
    ended_at: datetime | None,
    cancel_at: datetime | None,
    grace: timedelta,
) -> datetime | None:
    """Return until when a subscription gives access in its current state, or None for never.

    Args:
        stripe_status: Stripe's `subscription.status`.
        period_end: End of the paid period.
        unpaid_since: When the invoice that is not paid was due, or made if it was to be charged.
        ended_at: When Stripe ended the subscription.
        cancel_at: When Stripe will end it, which may be before the period's end.
        grace: How long `past_due` still gives access.
    """
    if stripe_status == "canceled":
        return ended_at
    if stripe_status in IN_GOOD_STANDING:
        until = period_end
    elif stripe_status == "past_due" and unpaid_since is not None:
        until = unpaid_since + grace
    else:
        return None
    return min(until, cancel_at) if until and cancel_at else until
