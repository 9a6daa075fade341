"""An estimate of the monthly recurring revenue: what comes in during an average month."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from backoffice.queries import RecurringItems, recurring_items

# How often an interval comes in an average month.
_A_MONTH = {
    "day": Decimal(365) / 12,
    "week": Decimal(52) / 12,
    "month": Decimal(1),
    "year": Decimal(1) / 12,
}


def monthly_revenue() -> list[tuple[str, Decimal]]:
    """Return currencies, each with its sum in the smallest unit, the largest sum first.

    Prices that depend on the quantity, metered usage, taxes and customers' own discounts are not
    counted; a coupon that is for some products counts for all items of its subscription.
    """
    sums, now = defaultdict[str, Decimal](Decimal), timezone.now()
    for items in recurring_items():
        sums[items.currency] += items.number * _a_month(items, now=now)
    return sorted(sums.items(), key=lambda each: each[1], reverse=True)


def _a_month(items: RecurringItems, *, now: datetime) -> Decimal:
    amount = items.amount
    for discount in items.discounts:
        ends_at, percent_off = discount["ends_at"], discount["percent_off"]
        if ends_at is not None and datetime.fromisoformat(ends_at) <= now:
            continue
        if percent_off is not None:
            amount *= 1 - Decimal(percent_off) / 100
        amount -= Decimal(discount["amount_off"] or 0)
    return max(amount, Decimal()) * _A_MONTH[items.interval] / items.interval_count
