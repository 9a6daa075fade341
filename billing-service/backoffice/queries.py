"""The raw statements of the pages, each with the shape of its rows."""

from decimal import Decimal
from typing import NamedTuple

from django.db import connection

_BY_STATE = """
SELECT stripe_status, count(*) FROM subscriptions_subscription WHERE is_ours
GROUP BY stripe_status ORDER BY count(*) DESC
"""

# A year's price counts a twelfth, a week's 52/12: what comes in during an average month.
_REVENUE = """
SELECT upper(currency), round(sum(
    unit_amount / interval_count::numeric * CASE interval
        WHEN 'year' THEN 1 / 12.0 WHEN 'week' THEN 52 / 12.0 WHEN 'day' THEN 365 / 12.0 ELSE 1 END
))::bigint
FROM subscriptions_subscription
WHERE is_ours AND stripe_status IN ('active', 'past_due') AND unit_amount IS NOT NULL
GROUP BY currency ORDER BY 2 DESC
"""

_FAILURES = """
SELECT to_char(day, 'MM-DD'), (
    SELECT count(*) FROM subscriptions_cardfailure WHERE at >= day AND at < day + interval '1 day')
FROM generate_series(current_date - 13, current_date, interval '1 day') AS day ORDER BY day
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


def subscriptions_by_state() -> list[LabelledValue]:
    """Return how many subscriptions have each of Stripe's statuses, most frequent first."""
    return _labelled(_BY_STATE)


def monthly_revenue() -> list[LabelledValue]:
    """Return the recurring revenue of an average month by currency, in its smallest unit."""
    return _labelled(_REVENUE)


def card_failures_by_day() -> list[LabelledValue]:
    """Return the declined cards of each of the last 14 days."""
    return _labelled(_FAILURES)


def webhook_lag_by_hour() -> list[LabelledValue]:
    """Return the 95th percentile of milliseconds from receipt to processing, for twelve hours."""
    return _labelled(_LAG)


def _labelled(statement: str) -> list[LabelledValue]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [LabelledValue(*row) for row in cursor.fetchall()]
