"""Times without payment: trials, pauses, paused collection."""

from typing import Any

import pytest
import stripe

from tests.scenes import DAY, HOUR, NEW_YEAR, Scene, intent_of

MONTH = 31 * DAY
NO_CREDIT = {"bill_for": {"unused_time_from": {"type": "none"}}}


def test_a_trial_ends_in_a_paid_period(scene: Scene) -> None:
    """Nothing is due for two weeks; then the first period is billed."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, trial_period_days=14)

    scene.after(12 * DAY)
    warned = [event.type for event in scene.events(subscription.id)]
    scene.after(14 * DAY + 2 * HOUR)

    billed = scene.seen(subscription)
    assert (subscription.status, subscription.latest_invoice.amount_paid) == ("trialing", 0)
    assert "customer.subscription.trial_will_end" in warned
    assert (billed.status, billed.latest_invoice.amount_paid) == ("active", 1000)


def test_a_trial_without_a_card_can_cancel_itself(scene: Scene) -> None:
    """`missing_payment_method: cancel` ends the subscription with the trial."""
    customer = scene.on_a_clock().customer(None)
    behavior = {"end_behavior": {"missing_payment_method": "cancel"}}
    subscription = scene.subscription(customer, trial_period_days=7, trial_settings=behavior)

    scene.after(8 * DAY)

    assert subscription.pending_setup_intent
    assert scene.seen(subscription).status == "canceled"


def test_a_trial_without_a_card_can_pause(scene: Scene) -> None:
    """`missing_payment_method: pause` stops it until a card is there and it is resumed."""
    customer = scene.on_a_clock().customer(None)
    behavior = {"end_behavior": {"missing_payment_method": "pause"}}
    subscription = scene.subscription(customer, trial_period_days=7, trial_settings=behavior)
    scene.after(8 * DAY)
    paused = scene.seen(subscription)

    scene.pays_with(customer, "pm_card_visa")
    resumed = scene.v1.subscriptions.resume(subscription.id)

    assert paused.status == "paused"
    assert paused.status_details.paused.subscription.type == "trial_end_without_payment_method"
    assert resumed.status == "active"


def test_ending_a_trial_now_bills_at_once(scene: Scene) -> None:
    """`trial_end: now` begins the paid period."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, trial_period_days=14)

    scene.after(2 * DAY)
    scene.v1.subscriptions.update(subscription.id, {"trial_end": "now"})

    now = scene.seen(subscription)
    assert (now.status, now.latest_invoice.amount_paid) == ("active", 1000)
    assert now["items"].data[0].current_period_start == NEW_YEAR + 2 * DAY


def test_paused_collection_keeps_invoices_as_drafts(scene: Scene) -> None:
    """`pause_collection` lets the cycle go on without asking for money."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.v1.subscriptions.update(
        subscription.id, {"pause_collection": {"behavior": "keep_as_draft"}}
    )

    scene.after(MONTH + DAY)

    assert scene.seen(subscription).latest_invoice.status == "draft"


def test_paused_collection_can_void(scene: Scene) -> None:
    """`behavior: void` makes the invoices of the pause count for nothing."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})

    scene.after(MONTH + DAY)

    assert scene.seen(subscription).latest_invoice.status == "void"


def test_a_paused_subscription_gets_credit_and_resumes(scene: Scene) -> None:
    """Pausing gives the unused half back; resuming begins a new month."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.after(int(MONTH / 2))

    paused = scene.v1.subscriptions.pause(subscription.id)
    scene.after(MONTH + DAY)
    resumed = scene.v1.subscriptions.resume(subscription.id)

    assert (paused.status, paused.status_details.paused.subscription.type) == (
        "paused",
        "pause_requested",
    )
    assert resumed.status == "active"
    assert scene.seen(subscription).latest_invoice.amount_paid == 500


def test_a_fee_is_paid_though_the_trial_is_free(scene: Scene) -> None:
    """A set-up fee on the first invoice is collected at once, and the trial goes on."""
    fee = scene.v1.prices.create(
        {"currency": "usd", "unit_amount": 700, "product_data": {"name": "Set-up"}}
    )
    wanted: dict[str, Any] = {"trial_period_days": 14, "add_invoice_items": [{"price": fee.id}]}

    paid = scene.subscription(scene.customer(), **wanted)
    failed = scene.subscription(scene.customer("pm_card_chargeCustomerFail"), **wanted)
    good = scene.v1.payment_methods.attach("pm_card_visa", {"customer": failed.customer})
    scene.v1.invoices.pay(failed.latest_invoice.id, {"payment_method": good.id})

    assert (paid.status, paid.latest_invoice.amount_paid) == ("trialing", 700)
    assert failed.status == "incomplete"
    assert scene.seen(failed).status == "trialing"


def test_a_pause_ends_with_the_payment_it_waits_for(scene: Scene) -> None:
    """`resume_on_payment_success` resumes once it is paid, and renews again."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.v1.subscriptions.pause(subscription.id, NO_CREDIT)
    scene.after(MONTH + DAY)

    wanted = {"payment_behavior": "resume_on_payment_success"}
    waiting = scene.v1.subscriptions.resume(subscription.id, wanted)
    scene.after(2 * MONTH + 2 * DAY)
    still = scene.seen(subscription)
    scene.v1.payment_intents.confirm(intent_of(still).id)
    types = [event.type for event in scene.events(subscription.id)]
    scene.after(3 * MONTH + 3 * DAY)

    assert (waiting.status, still.status) == ("paused", "paused")
    assert types.count("customer.subscription.resumed") == 1
    renewed = scene.seen(subscription)
    assert (renewed.status, renewed.latest_invoice.billing_reason) == (
        "active",
        "subscription_cycle",
    )


def test_a_pause_can_end_in_debt(scene: Scene) -> None:
    """A card that fails resumes the subscription past due, and the event is sent."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.v1.subscriptions.pause(subscription.id, NO_CREDIT)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")

    resumed = scene.v1.subscriptions.resume(subscription.id)

    assert resumed.status == "past_due"
    types = [event.type for event in scene.events(subscription.id)]
    assert "customer.subscription.resumed" in types


def test_resuming_an_old_cycle_with_prorations_is_not_covered(scene: Scene) -> None:
    """The rest of a period would otherwise be free; without prorations it is meant to be."""
    subscription = scene.subscription(scene.customer())
    scene.v1.subscriptions.pause(subscription.id)
    anchor = {"billing_cycle_anchor": {"type": "unchanged"}}

    with pytest.raises(stripe.APIError) as refused:
        scene.v1.subscriptions.resume(subscription.id, anchor)
    resumed = scene.v1.subscriptions.resume(
        subscription.id, anchor | {"proration_behavior": "none"}
    )

    assert refused.value.http_status == 501
    assert resumed.status == "active"
