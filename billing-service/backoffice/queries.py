"""The raw statements of the pages, each with the shape of its rows."""

import json
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

_BY_STATE = """
SELECT stripe_status, count(*) FROM subscriptions_subscription WHERE is_ours
GROUP BY stripe_status ORDER BY count(*) DESC
"""

# Items that cost the same and are discounted alike are counted together: few rows come back.
_RECURRING = """
SELECT item.currency, item.unit_amount_decimal * item.quantity, item.interval, item.interval_count,
       item.discounts, count(*)
FROM subscriptions_subscriptionitem AS item
JOIN subscriptions_subscription AS subscription ON subscription.id = item.subscription_id
WHERE subscription.is_ours AND subscription.stripe_status IN ('active', 'past_due')
    AND item.product_id IS NOT NULL AND item.unit_amount_decimal * item.quantity > 0
GROUP BY 1, 2, 3, 4, 5
"""

# A renewal that fails makes its subscription overdue; everything else is a refused card.
_FAILURES = """
SELECT to_char(day, 'MM-DD'), count(failure.at)
FROM generate_series(current_date - 13, current_date, interval '1 day') AS day
LEFT JOIN (
    SELECT at FROM subscriptions_cardfailure WHERE at >= current_date - 13
    UNION ALL
    SELECT change.at FROM subscriptions_subscriptionchange AS change
    JOIN subscriptions_subscription AS subscription ON subscription.id = change.subscription_id
    WHERE change.at >= current_date - 13 AND change.after ->> 'stripe_status' = 'past_due'
        AND subscription.is_ours
) AS failure ON failure.at >= day AND failure.at < day + interval '1 day'
GROUP BY day ORDER BY day
"""

_LAG = """
SELECT to_char(hour, 'HH24:00'), (
    SELECT round(extract(epoch FROM percentile_cont(0.95) WITHIN GROUP
        (ORDER BY handled_at - received_at)) * 1000)
    FROM webhooks_webhookevent
    WHERE received_at >= hour AND received_at < hour + interval '1 hour' AND state = 'handled')
FROM generate_series(date_trunc('hour', now()) - interval '11 hours',
                     date_trunc('hour', now()), interval '1 hour') AS hour ORDER BY hour
"""


class LabelledValue(NamedTuple):
    """One bar of a chart."""

    label: str
    value: int | Decimal | None
    # What stands beside the bar, if not the number.
    text: str = ""


class RecurringItems(NamedTuple):
    """Items that are billed alike, and how many there are of them."""

    currency: str
    # Of one item, in the currency's smallest unit.
    amount: Decimal
    interval: str
    interval_count: int
    # As `models.SubscriptionItem` keeps them.
    discounts: list[dict[str, str | None]]
    number: int


def subscriptions_by_state() -> list[LabelledValue]:
    """Return how many subscriptions have each of Stripe's statuses, most frequent first."""
    return _labelled(_BY_STATE)


def recurring_items() -> list[RecurringItems]:
    """Return the items of ours that bring in money as long as their subscriptions go on."""
    with connection.cursor() as cursor:
        cursor.execute(_RECURRING)
        rows = cursor.fetchall()
    return [
        RecurringItems(currency, amount, interval, interval_count, json.loads(discounts), number)
        for currency, amount, interval, interval_count, discounts, number in rows
    ]


def failed_payments_by_day() -> list[LabelledValue]:
    """Return the refused cards and failed renewals of each of the last 14 days."""
    return _labelled(_FAILURES)


def webhook_lag_by_hour() -> list[LabelledValue]:
    """Return the 95th percentile of milliseconds from receipt to processing, for twelve hours."""
    return _labelled(_LAG)


def _labelled(statement: str) -> list[LabelledValue]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [LabelledValue(*row) for row in cursor.fetchall()]
