"""Subscriptions that renew, whose payments are retried, and that end, on test clocks."""

import pytest
import stripe

from tests.scenes import DAY, HOUR, NEW_YEAR, Scene

MONTH = 31 * DAY


def test_a_subscription_renews(scene: Scene) -> None:
    """A month later the next period is paid, from a draft that waited an hour."""
    subscription = scene.on_a_clock().subscription(scene.customer())

    scene.after(MONTH)
    drafted = scene.seen(subscription).latest_invoice
    scene.after(MONTH + HOUR)

    renewed = scene.seen(subscription)
    assert (drafted.status, drafted.billing_reason) == ("draft", "subscription_cycle")
    assert (renewed.status, renewed.latest_invoice.status) == ("active", "paid")
    assert renewed["items"].data[0].current_period_start == NEW_YEAR + MONTH
    assert renewed.latest_invoice.id != subscription.latest_invoice.id


def test_a_year_passes_in_moments(scene: Scene) -> None:
    """Advancing does everything on the way, in order: twelve renewals are paid."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)

    scene.after(58 * DAY)

    invoices = scene.v1.invoices.list({"subscription": subscription.id})
    assert [invoice.status for invoice in invoices.data] == ["paid", "paid"]
    scene.after(365 * DAY)
    invoices = scene.v1.invoices.list({"subscription": subscription.id, "limit": 100})
    assert len(invoices.data) == 13


def test_a_renewal_that_fails_is_retried_and_then_cancels(scene: Scene) -> None:
    """Dunning: past due, three more tries, then the subscription ends."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")

    scene.after(MONTH + DAY)
    failing = scene.seen(subscription)
    scene.after(60 * DAY)
    ended = scene.seen(subscription)

    assert (failing.status, failing.latest_invoice.attempt_count) == ("past_due", 1)
    assert failing.latest_invoice.next_payment_attempt == NEW_YEAR + MONTH + HOUR + 3 * DAY
    assert (ended.status, ended.latest_invoice.attempt_count) == ("canceled", 4)
    assert ended.cancellation_details.reason == "payment_failed"


def test_a_customer_who_owes_is_delinquent(scene: Scene) -> None:
    """The flag is set by a failed renewal and cleared by the payment."""
    customer = scene.on_a_clock().customer()
    scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    scene.after(MONTH + DAY)
    owing = scene.v1.customers.retrieve(customer.id).delinquent

    scene.pays_with(customer, "pm_card_visa")
    scene.after(MONTH + 5 * DAY)

    assert owing
    assert not scene.v1.customers.retrieve(customer.id).delinquent


def test_a_clock_goes_two_intervals_at_most(scene: Scene) -> None:
    """Stripe refuses a farther step, so the sandbox does."""
    scene.on_a_clock().subscription(scene.customer())

    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.v1.test_helpers.test_clocks.advance(
            scene.clock.id, {"frozen_time": NEW_YEAR + 90 * DAY}
        )

    assert refused.value.param == "frozen_time"


def test_a_new_card_saves_a_subscription_that_is_past_due(scene: Scene) -> None:
    """The next retry with a good card makes it active again."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    scene.after(MONTH + DAY)

    scene.pays_with(customer, "pm_card_visa")
    scene.after(MONTH + 5 * DAY)

    assert scene.seen(subscription).status == "active"


def test_cancel_at_period_end_keeps_access_until_then(scene: Scene) -> None:
    """The subscription stays active, then ends without another invoice."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

    scene.after(MONTH - DAY)
    before = scene.seen(subscription)
    scene.after(MONTH + DAY)
    after = scene.seen(subscription)

    assert (before.status, before.cancel_at) == ("active", NEW_YEAR + MONTH)
    assert (after.status, after.ended_at) == ("canceled", NEW_YEAR + MONTH)
    assert after.latest_invoice.id == subscription.latest_invoice.id
    types = [event.type for event in scene.events(subscription.id)]
    assert types[-1] == "customer.subscription.deleted"


def test_a_planned_cancellation_can_be_called_off(scene: Scene) -> None:
    """Taking it back lets the subscription renew."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    scene.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})

    scene.after(MONTH + DAY)

    assert scene.seen(subscription).status == "active"


def test_an_invoice_sent_by_mail_is_due_later(scene: Scene) -> None:
    """`send_invoice` activates at once and leaves the invoice open."""
    customer = scene.customer(None)

    subscription = scene.subscription(customer, collection_method="send_invoice", days_until_due=14)

    assert (subscription.status, subscription.latest_invoice.status) == ("active", "open")
    assert subscription.latest_invoice.due_date == subscription.created + 14 * DAY


def test_month_ends_are_kept(scene: Scene) -> None:
    """A subscription of 31 January renews on 28 February and on 31 March."""
    scene.clock = scene.v1.test_helpers.test_clocks.create({"frozen_time": 1769860800})
    subscription = scene.subscription(scene.customer())

    february = subscription["items"].data[0].current_period_end
    scene.after(60 * DAY)
    march = scene.seen(subscription)["items"].data[0].current_period_end

    assert (february, march) == (1772280000, 1774958400)


def test_events_keep_real_time_on_a_test_clock(scene: Scene) -> None:
    """A test clock moves objects' times, never the time of events."""
    subscription = scene.on_a_clock().subscription(scene.customer())

    scene.after(MONTH + DAY)

    assert subscription.created == NEW_YEAR
    assert all(e.created > NEW_YEAR + 300 * DAY for e in scene.events(subscription.id))


def test_paying_by_hand_leaves_the_retries_alone(scene: Scene) -> None:
    """A customer who tries a bad card again and again is dunned no faster."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    scene.after(MONTH + DAY)
    planned = scene.seen(subscription).latest_invoice.next_payment_attempt

    for _ in range(4):
        with pytest.raises(stripe.CardError):
            scene.v1.invoices.pay(scene.seen(subscription).latest_invoice.id)

    tried = scene.seen(subscription)
    assert (tried.status, tried.latest_invoice.attempt_count) == ("past_due", 1)
    assert tried.latest_invoice.next_payment_attempt == planned


def test_an_invoice_sent_by_mail_can_be_overdue(scene: Scene) -> None:
    """Unpaid on its due date, it makes the subscription past due; paid, active again."""
    customer = scene.on_a_clock().customer(None)
    subscription = scene.subscription(customer, collection_method="send_invoice", days_until_due=14)

    scene.after(13 * DAY)
    before = scene.seen(subscription).status
    scene.after(15 * DAY)
    overdue = scene.seen(subscription)
    scene.v1.invoices.pay(overdue.latest_invoice.id, {"paid_out_of_band": True})

    assert (before, overdue.status) == ("active", "past_due")
    assert scene.seen(subscription).status == "active"
