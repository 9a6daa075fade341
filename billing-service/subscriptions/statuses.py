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
        access_until: End of access, as `access_shown` returns it.
        now: The moment to answer for.
    """
    if stripe_status in IN_GOOD_STANDING:
        return "successful" if access_until is None or now < access_until else "failed"
    if stripe_status == "past_due":
        return "successful" if access_until is not None and now < access_until else "failed"
    return "canceled" if stripe_status == "canceled" else "failed"


def access_shown(
    stripe_status: str,
    *,
    access_until: datetime | None,
    ends_at: datetime | None,
    synced_at: datetime,
    stale: timedelta,
    now: datetime,
) -> datetime | None:
    """Return until when a subscription gives access, as far as is known now.

    A paid period that has ended without news is taken for renewed for some days: Stripe's events
    come later, or Stripe cannot be reached.

    Args:
        stripe_status: Stripe's `subscription.status`, as last seen.
        access_until: As stored.
        ends_at: When it ends, if that is known.
        synced_at: When it was last seen at Stripe.
        stale: For how long what was last seen still counts.
        now: The moment to answer for.
    """
    if stripe_status not in IN_GOOD_STANDING or access_until is None or now < access_until:
        return access_until
    if ends_at is not None and ends_at <= now:
        return ends_at
    return max(access_until, synced_at) + stale


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
