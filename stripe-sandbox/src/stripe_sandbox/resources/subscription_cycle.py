"""Where a new subscription's billing cycle begins: its anchor, and a start in the past."""

from calendar import monthrange
from datetime import UTC, datetime
from typing import Any

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json
from stripe_sandbox.rules import periods
from stripe_sandbox.rules.invoice_lines import recurring_of

_RANGES = {"day_of_month": (1, 31), "month": (1, 12), "hour": (0, 23)}
_SIXTY = (0, 59)


def anchor_of(params: Any, bought: list[Price], now: int) -> int:
    """The anchor that a request asks for, else now.

    Args:
        params: Those of `subscriptions.create`.
        bought: The prices of the items.
        now: The present, in seconds since the epoch.

    Raises:
        InvalidRequest: It is in the past, or after the first natural billing date.
    """
    config = params.get("billing_cycle_anchor_config")
    anchor = params.get("billing_cycle_anchor")
    if config and anchor is not None:
        raise InvalidRequest(
            "You may only specify one of `billing_cycle_anchor` and `billing_cycle_anchor_config`.",
            param="billing_cycle_anchor_config",
        )
    if config:
        return _next_date(config, now)
    if anchor is None:
        return now
    recurring = [recurring_of(price) for price in bought]
    latest = min(periods.add(now, one["interval"], one["interval_count"]) for one in recurring)
    if not now <= anchor <= latest:
        raise InvalidRequest(
            f"billing_cycle_anchor cannot be later than next natural billing date ({latest}) for "
            "plan, nor in the past.",
            param="billing_cycle_anchor",
        )
    return int(anchor)


def _next_date(config: Json, now: int) -> int:
    """The next time that a `billing_cycle_anchor_config` describes; the time of day is now's."""
    for name, value in config.items():
        low, high = _RANGES.get(name, _SIXTY)
        if not low <= value <= high:
            path = f"billing_cycle_anchor_config[{name}]"
            raise InvalidRequest(f"Invalid {name}: must be {low} to {high}.", param=path)
    present = datetime.fromtimestamp(now, UTC)
    month = present.year * 12 + config.get("month", present.month) - 1
    step = 12 if "month" in config else 1
    found = _date(config, present, month)
    return found if found > now else _date(config, present, month + step)


def _date(config: Json, present: datetime, months: int) -> int:
    year, month = divmod(months, 12)
    moment = present.replace(
        year=year,
        month=month + 1,
        day=min(config["day_of_month"], monthrange(year, month + 1)[1]),
        hour=config.get("hour", present.hour),
        minute=config.get("minute", present.minute),
        second=config.get("second", present.second),
    )
    return int(moment.timestamp())


def start_date_of(params: Any, now: int) -> int:
    """When the subscription starts: `backdate_start_date`, else now.

    Raises:
        InvalidRequest: The date is in the future.
    """
    start = params.get("backdate_start_date")
    if start is None:
        return now
    if start >= now:
        raise InvalidRequest(
            "`backdate_start_date` must be in the past.", param="backdate_start_date"
        )
    return int(start)
