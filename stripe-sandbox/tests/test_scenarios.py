"""Whole lives of subscriptions, told on test clocks."""

import pytest
import stripe

from tests.scenes import BASIC, DAY, HOUR, NEW_YEAR, PRO, Scene, intent_of

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


def test_an_upgrade_is_charged_at_once(scene: Scene) -> None:
    """`always_invoice` takes half of each price in the middle of the month."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.after(int(MONTH / 2))
    item = subscription["items"].data[0].id

    preview = scene.v1.invoices.create_preview(
        {
            "subscription": subscription.id,
            "subscription_details": {
                "items": [{"id": item, "price": PRO}],
                "proration_behavior": "always_invoice",
            },
        }
    )
    scene.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item, "price": PRO}], "proration_behavior": "always_invoice"},
    )

    upgraded = scene.seen(subscription)
    amounts = [line.amount for line in upgraded.latest_invoice.lines.data]
    assert amounts == [-500, 1250]
    assert (upgraded.latest_invoice.status, upgraded.latest_invoice.amount_paid) == ("paid", 750)
    assert preview.amount_due == 750
    assert upgraded["items"].data[0].price.id == PRO


def test_a_preview_changes_nothing(scene: Scene) -> None:
    """Asking what a change costs leaves subscription, invoices and events as they were."""
    subscription = scene.subscription(scene.customer())
    item = subscription["items"].data[0].id
    before = scene.v1.events.list({"limit": 1}).data[0].id

    preview = scene.v1.invoices.create_preview(
        {
            "subscription": subscription.id,
            "subscription_details": {"items": [{"id": item, "price": PRO}]},
        }
    )

    assert preview.id.startswith("upcoming_in_")
    assert scene.seen(subscription)["items"].data[0].price.id == BASIC
    assert scene.v1.events.list({"limit": 1}).data[0].id == before
    assert not scene.v1.invoice_items.list({"customer": subscription.customer}).data


def test_prorations_wait_for_the_next_invoice(scene: Scene) -> None:
    """`create_prorations`, the default, bills the difference with the renewal."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.after(int(MONTH / 2))
    item = subscription["items"].data[0].id
    scene.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": PRO}]})

    waiting = scene.v1.invoice_items.list({"customer": subscription.customer, "pending": True})
    scene.after(MONTH + 2 * HOUR)

    renewed = scene.seen(subscription).latest_invoice
    assert sorted(one.amount for one in waiting.data) == [-500, 1250]
    assert (renewed.amount_paid, renewed.status) == (2500 + 750, "paid")


def test_no_proration_bills_nothing_for_the_change(scene: Scene) -> None:
    """`none` lets the new price begin with the next period."""
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.after(int(MONTH / 2))
    item = subscription["items"].data[0].id

    scene.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item, "price": PRO}], "proration_behavior": "none"}
    )
    scene.after(MONTH + 2 * HOUR)

    assert scene.seen(subscription).latest_invoice.amount_paid == 2500


def test_a_downgrade_leaves_credit(scene: Scene) -> None:
    """What was paid too much becomes the customer's balance and pays the next invoice."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, PRO)
    scene.after(int(MONTH / 2))
    item = subscription["items"].data[0].id

    scene.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item, "price": BASIC}], "proration_behavior": "always_invoice"},
    )
    credited = scene.v1.customers.retrieve(customer.id).balance
    scene.after(MONTH + 2 * HOUR)

    renewed = scene.seen(subscription).latest_invoice
    moves = scene.v1.customers.balance_transactions.list(customer.id).data
    assert credited == -750
    assert (renewed.total, renewed.amount_due, renewed.amount_paid) == (1000, 250, 250)
    assert [move.amount for move in moves] == [750, -750]


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


def test_three_d_secure_that_is_never_completed_expires(scene: Scene) -> None:
    """After 23 hours the subscription, its invoice and its intent are given up."""
    customer = scene.on_a_clock().customer("pm_card_authenticationRequired")
    subscription = scene.subscription(customer)

    scene.after(22 * HOUR)
    waiting = scene.seen(subscription)
    scene.after(24 * HOUR)
    expired = scene.seen(subscription)

    assert (waiting.status, intent_of(waiting).status) == ("incomplete", "requires_action")
    assert (expired.status, expired.latest_invoice.status) == ("incomplete_expired", "void")
    assert intent_of(expired).status == "canceled"


def test_three_d_secure_completed_on_the_page_activates(scene: Scene) -> None:
    """Completing the challenge pays the invoice and activates the subscription."""
    subscription = scene.subscription(scene.customer("pm_card_authenticationRequiredOnSetup"))

    scene.authenticates(intent_of(subscription).id)

    assert subscription.status == "incomplete"
    active = scene.seen(subscription)
    assert (active.status, active.latest_invoice.status) == ("active", "paid")
    updated = scene.events(subscription.id)[-1]
    assert updated.type == "customer.subscription.updated"
    assert updated.data["previous_attributes"]["status"] == "incomplete"


def test_three_d_secure_failed_on_the_page_stays_incomplete(scene: Scene) -> None:
    """Failing the challenge asks for another payment method."""
    subscription = scene.subscription(scene.customer("pm_card_authenticationRequired"))

    scene.authenticates(intent_of(subscription).id, "fail")

    failed = scene.seen(subscription)
    assert failed.status == "incomplete"
    assert intent_of(failed).status == "requires_payment_method"
    assert intent_of(failed).last_payment_error.code == "payment_intent_authentication_failure"


def test_a_card_set_up_once_renews_without_a_challenge(scene: Scene) -> None:
    """Card …3155 asks for 3-D Secure the first time only."""
    customer = scene.on_a_clock().customer("pm_card_authenticationRequiredOnSetup")
    subscription = scene.subscription(customer)
    scene.authenticates(intent_of(subscription).id)

    scene.after(MONTH + 2 * HOUR)

    assert scene.seen(subscription).latest_invoice.status == "paid"


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


def test_a_coupon_for_three_months_stops_after_three_months(scene: Scene) -> None:
    """A repeating coupon halves three invoices and no fourth."""
    coupon = scene.v1.coupons.create(
        {"percent_off": 50, "duration": "repeating", "duration_in_months": 3}
    )
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, discounts=[{"coupon": coupon.id}])

    scene.after(58 * DAY)
    scene.after(115 * DAY)

    paid = [i.amount_paid for i in scene.v1.invoices.list({"customer": customer.id}).data][::-1]
    assert paid == [500, 500, 500, 1000]
    assert subscription.discounts


def test_a_coupon_used_once_halves_the_first_invoice_only(scene: Scene) -> None:
    """Duration `once` is used up by the first invoice."""
    coupon = scene.v1.coupons.create({"amount_off": 300, "currency": "usd", "duration": "once"})
    customer = scene.on_a_clock().customer()
    scene.subscription(customer, discounts=[{"coupon": coupon.id}])

    scene.after(MONTH + 2 * HOUR)

    paid = [i.amount_paid for i in scene.v1.invoices.list({"customer": customer.id}).data][::-1]
    assert paid == [700, 1000]


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


def test_an_update_waits_until_it_is_paid(scene: Scene) -> None:
    """`pending_if_incomplete` applies the change when 3-D Secure is completed."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_authenticationRequired")
    item = subscription["items"].data[0].id

    scene.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item, "price": PRO}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )
    pending = scene.seen(subscription)
    scene.authenticates(intent_of(pending).id)
    applied = scene.seen(subscription)

    assert (pending.status, pending["items"].data[0].price.id) == ("active", BASIC)
    assert pending.pending_update.subscription_items[0].price.id == PRO
    assert (applied.pending_update, applied["items"].data[0].price.id) == (None, PRO)


def test_an_unpaid_update_is_forgotten(scene: Scene) -> None:
    """23 hours later a pending update is dropped and its invoice is void."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    item = subscription["items"].data[0].id
    scene.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item, "price": PRO}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )

    scene.after(DAY)

    forgotten = scene.seen(subscription)
    assert (forgotten.status, forgotten.pending_update) == ("active", None)
    assert forgotten.latest_invoice.status == "void"


def test_an_update_that_must_be_paid_changes_nothing_when_it_is_not(scene: Scene) -> None:
    """`error_if_incomplete` answers 402 and leaves no trace."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    item = subscription["items"].data[0].id

    with pytest.raises(stripe.CardError):
        scene.v1.subscriptions.update(
            subscription.id,
            {
                "items": [{"id": item, "price": PRO}],
                "payment_behavior": "error_if_incomplete",
                "proration_behavior": "always_invoice",
            },
        )

    unchanged = scene.seen(subscription)
    assert unchanged["items"].data[0].price.id == BASIC
    assert unchanged.latest_invoice.id == subscription.latest_invoice.id


def test_a_first_payment_that_must_succeed_leaves_no_subscription(scene: Scene) -> None:
    """`error_if_incomplete` on creation keeps nothing."""
    customer = scene.customer("pm_card_authenticationRequired")

    with pytest.raises(stripe.CardError) as refused:
        scene.subscription(customer, payment_behavior="error_if_incomplete")

    assert refused.value.code == "subscription_payment_intent_requires_action"
    listed = scene.v1.subscriptions.list({"customer": customer.id, "status": "all"})
    assert not listed.data


def test_a_client_confirms_the_first_payment(scene: Scene) -> None:
    """`default_incomplete` waits for the client to confirm the intent."""
    customer = scene.customer(None)
    subscription = scene.subscription(
        customer,
        payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
        expand=["latest_invoice.confirmation_secret"],
    )
    secret = subscription.latest_invoice.confirmation_secret.client_secret
    intent = secret.split("_secret_")[0]
    method = scene.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    scene.v1.payment_intents.confirm(intent, {"payment_method": method.id})

    active = scene.seen(subscription)
    assert (subscription.status, active.status) == ("incomplete", "active")
    assert active.default_payment_method == method.id


def test_an_invoice_sent_by_mail_is_due_later(scene: Scene) -> None:
    """`send_invoice` activates at once and leaves the invoice open."""
    customer = scene.customer(None)

    subscription = scene.subscription(customer, collection_method="send_invoice", days_until_due=14)

    assert (subscription.status, subscription.latest_invoice.status) == ("active", "open")
    assert subscription.latest_invoice.due_date == subscription.created + 14 * DAY


def test_switching_to_a_yearly_price_begins_a_new_cycle(scene: Scene) -> None:
    """Another interval restarts the cycle with credit for the old one."""
    yearly = scene.v1.prices.create(
        {
            "product": "prod_sandbox_basic",
            "currency": "usd",
            "unit_amount": 10000,
            "recurring": {"interval": "year"},
        }
    )
    subscription = scene.on_a_clock().subscription(scene.customer())
    scene.after(int(MONTH / 2))
    item = subscription["items"].data[0].id

    scene.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": yearly.id}]})

    switched = scene.seen(subscription)
    assert switched.latest_invoice.amount_paid == 10000 - 500
    assert switched.billing_cycle_anchor == NEW_YEAR + int(MONTH / 2)


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
