"""Subscription schedules: changes that are planned ahead, in phases."""

from typing import Any

import pytest
import stripe

from tests.scenes import BASIC, DAY, HOUR, NEW_YEAR, PRO, Scene

MONTH = 31 * DAY
FEBRUARY = NEW_YEAR + MONTH


def scheduled(scene: Scene, **values: Any) -> tuple[Any, Any]:
    """A subscription to Pro that goes down to Basic at the end of its month."""
    subscription = scene.on_a_clock().subscription(scene.customer(), PRO)
    schedules = scene.v1.subscription_schedules
    schedule = schedules.create({"from_subscription": subscription.id})
    current = schedule.phases[0]
    phases = [
        {
            "items": [{"price": PRO}],
            "start_date": current.start_date,
            "end_date": current.end_date,
        },
        {"items": [{"price": BASIC}], **values},
    ]
    return subscription, schedules.update(schedule.id, {"phases": phases})


def test_a_downgrade_at_the_end_of_the_period(scene: Scene) -> None:
    """The month that was paid for is used up; the next one is billed at the new price."""
    subscription, schedule = scheduled(scene)
    before = scene.seen(subscription)

    scene.after(MONTH + 2 * HOUR)

    after = scene.seen(subscription)
    renewal = after.latest_invoice
    assert (before["items"].data[0].price.id, before.schedule) == (PRO, schedule.id)
    assert after["items"].data[0].price.id == BASIC
    assert (renewal.total, renewal.billing_reason) == (1000, "subscription_cycle")
    assert not scene.v1.invoice_items.list({"customer": subscription.customer}).data
    assert after.billing_cycle_anchor == NEW_YEAR


def test_after_its_last_phase_a_schedule_is_released(scene: Scene) -> None:
    """The subscription continues with what the last phase gave it."""
    subscription, schedule = scheduled(scene, duration={"interval": "month", "interval_count": 1})

    scene.after(MONTH + 29 * DAY)

    released = scene.v1.subscription_schedules.retrieve(schedule.id)
    after = scene.seen(subscription)
    assert (released.status, released.released_subscription) == ("released", subscription.id)
    assert (after.status, after.schedule) == ("active", None)
    assert after["items"].data[0].price.id == BASIC


def test_a_schedule_can_end_its_subscription(scene: Scene) -> None:
    """With `end_behavior` of `cancel` the subscription ends with the last phase."""
    subscription, schedule = scheduled(scene)
    scene.v1.subscription_schedules.update(schedule.id, {"end_behavior": "cancel"})

    scene.after(MONTH + 29 * DAY)

    assert scene.seen(subscription).status == "canceled"
    assert scene.v1.subscription_schedules.retrieve(schedule.id).status == "completed"


def test_a_phase_can_restart_the_cycle(scene: Scene) -> None:
    """`phase_start` bills from the beginning of the phase on, in the middle of a month."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    schedules = scene.v1.subscription_schedules
    schedule = schedules.create({"from_subscription": subscription.id})
    turn = NEW_YEAR + 10 * DAY
    first = {"items": [{"price": BASIC}], "start_date": NEW_YEAR, "end_date": turn}
    second = {"items": [{"price": PRO}], "billing_cycle_anchor": "phase_start"}
    schedules.update(schedule.id, {"phases": [first, second]})

    scene.after(11 * DAY)

    after = scene.seen(subscription)
    assert after.billing_cycle_anchor == turn
    assert after["items"].data[0].current_period_start == turn
    assert after.latest_invoice.total == 2500 - round(1000 * 21 / 31)


def test_a_schedule_starts_a_subscription_later(scene: Scene) -> None:
    """Nothing is billed before `start_date`."""
    customer = scene.on_a_clock().customer()
    schedule = scene.v1.subscription_schedules.create(
        {
            "customer": customer.id,
            "start_date": NEW_YEAR + 5 * DAY,
            "phases": [{"items": [{"price": BASIC, "quantity": 2}]}],
        }
    )

    scene.after(6 * DAY)

    started = scene.v1.subscription_schedules.retrieve(schedule.id, {"expand": ["subscription"]})
    assert (schedule.status, schedule.subscription) == ("not_started", None)
    assert (started.status, started.subscription.status) == ("active", "active")
    assert started.subscription["items"].data[0].quantity == 2


def test_what_a_schedule_manages_is_not_canceled_beside_it(scene: Scene) -> None:
    """Planned cancellation and pausing are refused while a schedule is attached."""
    subscription, schedule = scheduled(scene)

    for refused in ({"cancel_at_period_end": True}, {"cancel_at": FEBRUARY}):
        with pytest.raises(stripe.InvalidRequestError, match=schedule.id):
            scene.v1.subscriptions.update(subscription.id, refused)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be paused"):
        scene.v1.subscriptions.pause(subscription.id, {"type": "subscription"})

    scene.v1.subscription_schedules.release(schedule.id)
    scene.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert scene.seen(subscription).cancel_at_period_end is True


def test_phases_follow_each_other(scene: Scene) -> None:
    """A gap between two phases is refused with the path of the parameter."""
    subscription = scene.subscription(scene.customer())
    schedules = scene.v1.subscription_schedules
    schedule = schedules.create({"from_subscription": subscription.id})
    end = schedule.phases[0].end_date
    first = {
        "items": [{"price": BASIC}],
        "start_date": schedule.phases[0].start_date,
        "end_date": end,
    }
    second = {"items": [{"price": PRO}], "start_date": end + DAY}

    with pytest.raises(stripe.InvalidRequestError) as refusal:
        schedules.update(schedule.id, {"phases": [first, second]})

    assert refusal.value.param == "phases[1][start_date]"
