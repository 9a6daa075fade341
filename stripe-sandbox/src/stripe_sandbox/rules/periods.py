"""Calendar arithmetic of billing periods.

Months keep the anchor's day and fall back to a shorter month's last day, so
that 31 January is followed by 28 February and then by 31 March.
Source: https://docs.stripe.com/billing/subscriptions/billing-cycle.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def add(anchor: int, interval: str, count: int) -> int:
    """The anchor moved by a number of intervals, which may be negative."""
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((start + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = start.year * 12 + start.month - 1 + _MONTHS[interval] * count
    year, month = divmod(months, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def around(anchor: int, interval: str, count: int, moment: int) -> tuple[int, int]:
    """The period of the cycle through `anchor` that contains a moment."""
    seconds = (add(anchor, interval, count) - anchor) or 1
    step = (moment - anchor) // seconds
    while add(anchor, interval, count * step) > moment:
        step -= 1
    while add(anchor, interval, count * (step + 1)) <= moment:
        step += 1
    return add(anchor, interval, count * step), add(anchor, interval, count * (step + 1))
