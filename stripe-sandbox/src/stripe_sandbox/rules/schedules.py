"""Subscription schedules: when a phase begins, and what becomes of the subscription at the end.

Source: https://docs.stripe.com/billing/subscriptions/subscription-schedules.
"""

from stripe_sandbox import changes
from stripe_sandbox.api.registry import due
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.schedules import Phase, SubscriptionSchedule
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.rules import (
    discounts,
    subscription_creation,
    subscription_updates,
    subscriptions,
)
from stripe_sandbox.rules.subscription_updates import Change, Terms
from stripe_sandbox.storage.kinds import PRICE, SUBSCRIPTION, SUBSCRIPTION_SCHEDULE
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

# On the subscription, whose other actions of the same moment sort after it.
_ACTION = "schedule.advance"


def attach(work: Work, schedule: SubscriptionSchedule, subscription: Subscription) -> None:
    """Let a schedule manage a subscription, from its current phase on."""
    schedule |= {"status": "active", "subscription": subscription["id"]}
    subscription["schedule"] = schedule["id"]
    subscriptions.save(work, subscription)
    follow(work, schedule, subscription)


def follow(work: Work, schedule: SubscriptionSchedule, subscription: Subscription) -> None:
    """Note the current phase, and schedule the end of it."""
    phase = phase_at(schedule, subscriptions.now(work, subscription))
    schedule["current_phase"] = (
        {"start_date": phase["start_date"], "end_date": phase["end_date"]} if phase else None
    )
    work.save(schedule)
    if phase:
        clock = subscription["test_clock"]
        work.schedule(subscription, _ACTION, phase["end_date"], clock=clock)


def phase_at(schedule: SubscriptionSchedule, moment: int) -> Phase | None:
    """The phase that a moment is in."""
    inside = (p for p in schedule["phases"] if p["start_date"] <= moment < p["end_date"])
    return next(inside, None)


@due(_ACTION)
def advance(work: Work, subscription: Subscription) -> None:
    """Begin the phase that is due now, or end the schedule after its last phase."""
    schedule = work.find(SUBSCRIPTION_SCHEDULE, subscription["schedule"])
    if schedule is None:
        return
    phase = phase_at(schedule, subscriptions.now(work, subscription))
    if phase is None:
        _finish(work, schedule, subscription)
        return
    begin_phase(work, subscription, phase)
    subscriptions.changed(work, subscription)
    follow(work, schedule, subscription)
    emit(work, "subscription_schedule.updated", schedule)


def _finish(work: Work, schedule: SubscriptionSchedule, subscription: Subscription) -> None:
    schedule["completed_at"] = subscriptions.now(work, subscription)
    schedule["current_phase"] = None
    schedule["status"] = "completed"
    if schedule["end_behavior"] == "cancel":
        emit(work, "subscription_schedule.completed", work.save(schedule))
        subscription["schedule"] = None
        subscriptions.end(work, subscription, reason="cancellation_requested")
        return
    release(work, schedule)


def release(work: Work, schedule: SubscriptionSchedule) -> SubscriptionSchedule:
    """Let the subscription continue as it is, without its schedule."""
    subscription = work.find(SUBSCRIPTION, schedule["subscription"])
    schedule |= {
        "status": "released",
        "released_at": work.now(schedule["test_clock"]),
        "released_subscription": schedule["subscription"],
        "subscription": None,
        "current_phase": None,
    }
    emit(work, "subscription_schedule.released", work.save(schedule))
    if subscription:
        work.unschedule(subscription, _ACTION)
        subscription["schedule"] = None
        subscriptions.changed(work, subscription)
    return schedule


def cancel(work: Work, schedule: SubscriptionSchedule) -> SubscriptionSchedule:
    """Cancel a schedule that has not ended; the caller cancels its subscription."""
    schedule |= {
        "status": "canceled",
        "canceled_at": work.now(schedule["test_clock"]),
        "current_phase": None,
    }
    emit(work, "subscription_schedule.canceled", work.save(schedule))
    return schedule


def refuse_if_managed(subscription: Subscription, *, param: str | None = None) -> None:
    """Refuse a change that only the schedule of a subscription may make.

    Raises:
        InvalidRequest: A schedule manages the subscription.
    """
    if subscription["schedule"]:
        raise InvalidRequest(
            "The subscription is managed by the subscription schedule "
            f"`{subscription['schedule']}`, and updating any cancelation behavior directly is not "
            "allowed. Please update the schedule instead.",
            param=param,
        )


def begin_phase(work: Work, subscription: Subscription, phase: Phase) -> None:
    """Give a subscription what a phase says: items, trial, payment method, texts, discounts."""
    now = subscriptions.now(work, subscription)
    for name in ("default_payment_method", "description", "collection_method"):
        if phase.get(name):
            changes.update(subscription, {name: phase.get(name)})
    subscription["metadata"] = {**subscription["metadata"], **phase["metadata"]}
    if phase["discounts"]:
        amount = subscription_creation.amount_of_items(work, subscription)
        owner = discounts.owner_of(subscription, amount)
        subscription["discounts"] = discounts.redeem(work, phase["discounts"], owner)
    if phase["trial_end"] and phase["trial_end"] > now:
        subscription_updates.extend_trial(work, subscription, phase["trial_end"])
    wanted = _changes(work, subscription, phase)
    reset = phase["billing_cycle_anchor"] == "phase_start"
    if subscriptions.next_renewal(subscription) <= now:
        _change_before_renewal(work, subscription, wanted, moment=now, reset=reset)
        return
    terms = Terms(
        proration=phase["proration_behavior"],
        payment="allow_incomplete",
        moment=now,
        reset=reset,
        off_session=True,
    )
    if reset or any(change.costs for change in wanted):
        subscription_updates.amend(work, subscription, wanted, terms)


def _change_before_renewal(
    work: Work, subscription: Subscription, wanted: list[Change], *, moment: int, reset: bool
) -> None:
    """Change items whose period is over; the renewal of this moment bills the new ones."""
    items = subscription["items"]["data"]
    for change in wanted:
        item = change.old
        if change.price is None and item:
            items.remove(item)
        elif change.price and item:
            item |= {"price": change.price["id"], "plan": change.price["id"]}
            item["quantity"] = change.quantity
        elif change.price:
            added = subscription_creation.new_item(
                work, subscription, change.price, change.wanted, created=moment
            )
            added["current_period_end"] = added["current_period_start"]
            items.append(added)
    if reset:
        subscription["billing_cycle_anchor"] = moment
    subscriptions.save(work, subscription)


def _changes(work: Work, subscription: Subscription, phase: Phase) -> list[Change]:
    """The changes from a subscription's items to those of a phase.

    An item with the same price is kept; the others change in their order.
    """
    old = list(subscription["items"]["data"])
    found: list[Change] = []
    unmatched = []
    for wanted in phase["items"]:
        same = next((item for item in old if item["price"] == wanted["price"]), None)
        if same is None:
            unmatched.append(wanted)
            continue
        old.remove(same)
        price = work.get(PRICE, wanted["price"])
        found.append(Change(same, price, wanted["quantity"], {"metadata": wanted["metadata"]}))
    for wanted in unmatched:
        changed = old.pop(0) if old else None
        extra: Json = {"metadata": wanted["metadata"], "quantity": wanted["quantity"]}
        price = work.get(PRICE, wanted["price"])
        found.append(Change(changed, price, wanted["quantity"], extra))
    return [*found, *(Change(item, None, 0, {}) for item in old)]
