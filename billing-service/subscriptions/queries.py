"""The raw statements of subscriptions, each with the shape of its rows."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection


class CurrentSubscription(NamedTuple):
    """What the status of a user is made of; the columns are described in `models.Subscription`."""

    stripe_status: str
    current_period_start: datetime | None
    current_period_end: datetime | None
    stripe_subscription_id: str
    price_reference: str
    pending_price_reference: str
    purchased_at: datetime
    access_until: datetime | None
    synced_at: datetime
    cancel_at_period_end: bool
    cancel_at: datetime | None
    ended_at: datetime | None
    latest_invoice_status: str
    hosted_invoice_url: str
    product_name: str | None


# The most frequent query; plain SQL, because the ORM would take longer than the database.
_CURRENT = """
SELECT s.stripe_status, s.current_period_start, s.current_period_end, s.stripe_subscription_id,
       s.price_reference, s.pending_price_reference, s.purchased_at, s.access_until, s.synced_at,
       s.cancel_at_period_end, s.cancel_at, s.ended_at, s.latest_invoice_status,
       s.hosted_invoice_url, p.name
FROM subscriptions_subscription AS s
LEFT JOIN subscriptions_subscriptionproduct AS p ON p.id = s.product_id
WHERE s.user_id = %s AND s.is_current
"""


# One of an index of open attempts alone.
_OPEN_ATTEMPT = """
SELECT price_reference FROM subscriptions_subscribeattempt WHERE user_id = %s AND state = 'open'
"""


class OpenAttempt(NamedTuple):
    """An attempt to subscribe whose outcome is not known yet."""

    price_reference: str


def open_attempt_of(user_id: UUID) -> OpenAttempt | None:
    """Return a user's open attempt to subscribe, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_ATTEMPT, (user_id,))
        row = cursor.fetchone()
    return None if row is None else OpenAttempt(*row)


def current_subscription_of(user_id: UUID) -> CurrentSubscription | None:
    """Return a user's current subscription, or None if there never was one."""
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT, (user_id,))
        row = cursor.fetchone()
    return None if row is None else CurrentSubscription(*row)
