"""Where the billing cycle of a new subscription begins."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from tests.scenes import BASIC, DAY, NEW_YEAR, Scene


def at(*parts: int) -> int:
    """A moment in UTC, in seconds since the epoch."""
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("config", "anchor"),
    [
        ({"day_of_month": 15}, at(2026, 1, 15)),
        ({"day_of_month": 1}, at(2026, 2, 1)),
        ({"day_of_month": 31, "month": 4}, at(2026, 4, 30)),
        ({"day_of_month": 1, "hour": 9, "minute": 30, "second": 0}, at(2026, 1, 1, 9, 30)),
    ],
)
def test_the_anchor_can_be_described(scene: Scene, config: dict[str, int], anchor: int) -> None:
    """`billing_cycle_anchor_config` names the next such date; clocks begin on 1 January."""
    subscription = scene.on_a_clock().subscription(
        scene.customer(), billing_cycle_anchor_config=config
    )

    assert subscription.billing_cycle_anchor == anchor
    assert subscription.billing_cycle_anchor_config.day_of_month == config["day_of_month"]
    assert subscription["items"].data[0].current_period_end == min(
        anchor, subscription["items"].data[0].current_period_end
    )


def test_the_first_period_up_to_the_anchor_is_prorated(scene: Scene) -> None:
    """From 1 to 15 January is 14 of 31 days."""
    subscription = scene.on_a_clock().subscription(
        scene.customer(), billing_cycle_anchor_config={"day_of_month": 15}
    )

    assert subscription.latest_invoice.total == round(1000 * 14 / 31)


@pytest.mark.parametrize(
    ("config", "param"),
    [({"day_of_month": 32}, "day_of_month"), ({"day_of_month": 1, "hour": 24}, "hour")],
)
def test_an_impossible_date_is_refused(scene: Scene, config: dict[str, int], param: str) -> None:
    """The part that is out of range is named."""
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        scene.subscription(scene.customer(), billing_cycle_anchor_config=config)

    assert refusal.value.param == f"billing_cycle_anchor_config[{param}]"


def test_a_subscription_can_start_in_the_past(scene: Scene) -> None:
    """The first invoice bills the time since then beside the first period."""
    started = at(2025, 11, 16)
    subscription = scene.on_a_clock().subscription(scene.customer(), backdate_start_date=started)

    lines: Any = subscription.latest_invoice.lines.data
    months = 1 + (NEW_YEAR - at(2025, 12, 16)) / (31 * DAY)
    assert subscription.start_date == started
    assert subscription.billing_cycle_anchor == NEW_YEAR
    assert {line.amount for line in lines} == {1000, round(1000 * months)}
    assert (started, NEW_YEAR) in [(line.period.start, line.period.end) for line in lines]


def test_a_start_in_the_future_is_no_backdating(scene: Scene) -> None:
    """A schedule starts a subscription later; this parameter does not."""
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        scene.subscription(scene.customer(), BASIC, backdate_start_date=at(2099, 1, 1))

    assert refusal.value.param == "backdate_start_date"
