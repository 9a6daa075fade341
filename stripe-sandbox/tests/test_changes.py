"""Changes of a subscription: prorations, previews, updates that wait for money."""

import pytest
import stripe

from tests.scenes import BASIC, DAY, HOUR, NEW_YEAR, PRO, Scene, intent_of

MONTH = 31 * DAY
YEAR = 365 * DAY


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


def test_voiding_the_invoice_gives_an_update_up(scene: Scene) -> None:
    """The subscription stays what it was, and its event tells so."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_authenticationRequired")
    updated = scene.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": PRO}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )

    scene.v1.invoices.void_invoice(updated.latest_invoice)

    given_up = scene.seen(subscription)
    assert (given_up.status, given_up.pending_update) == ("active", None)
    assert given_up["items"].data[0].price.id == BASIC


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


@pytest.mark.parametrize("mode", ["classic", "flexible"])
def test_switching_to_a_yearly_price(scene: Scene, mode: str) -> None:
    """Classic mode restarts the cycle with credit for the old one; flexible mode keeps it."""
    yearly = scene.v1.prices.create(
        {
            "product": "prod_sandbox_basic",
            "currency": "usd",
            "unit_amount": 10000,
            "recurring": {"interval": "year"},
        }
    )
    subscription = scene.on_a_clock().subscription(scene.customer(), billing_mode={"type": mode})
    moment = NEW_YEAR + int(MONTH / 2)
    scene.after(int(MONTH / 2))
    wanted = {"items": [{"id": subscription["items"].data[0].id, "price": yearly.id}]}

    scene.v1.subscriptions.update(
        subscription.id, {**wanted, "proration_behavior": "always_invoice"}
    )

    switched = scene.seen(subscription)
    item, lines = switched["items"].data[0], switched.latest_invoice.lines.data
    restarts = mode == "classic"
    begin = moment if restarts else NEW_YEAR
    assert switched.billing_cycle_anchor == begin
    assert (item.current_period_start, item.current_period_end) == (begin, begin + 365 * DAY)
    assert [line.description.split(" ")[0] for line in lines] == [
        "Unused",
        "1" if restarts else "Remaining",
    ]
    assert lines[0].parent.subscription_item_details.proration_details.credited_items.invoice
    left = 10000 if restarts else round(10000 * (NEW_YEAR + 365 * DAY - moment) / (365 * DAY))
    assert switched.latest_invoice.amount_paid == left - 500


def test_all_that_an_update_changes_waits_for_its_payment(scene: Scene) -> None:
    """Metadata and a planned end are deferred with the items, and applied with them."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    item = {"id": subscription["items"].data[0].id, "quantity": 3}

    waiting = scene.v1.subscriptions.update(
        subscription.id,
        {
            "items": [item],
            "metadata": {"seats": "3"},
            "cancel_at_period_end": True,
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        },
    )
    method = scene.pays_with(customer, "pm_card_visa")
    scene.v1.invoices.pay(waiting.latest_invoice, {"payment_method": method.id})

    applied = scene.seen(subscription)
    deferred = waiting.pending_update
    assert (waiting.metadata.to_dict(), waiting.cancel_at_period_end) == ({}, False)
    assert (deferred.metadata.seats, deferred.cancel_at_period_end) == ("3", True)
    assert (applied.metadata.seats, applied.cancel_at_period_end) == ("3", True)
    assert applied["items"].data[0].quantity == 3


def test_another_price_sets_the_quantity_to_one_unless_it_is_given(scene: Scene) -> None:
    """Who moves three seats to another price has to say that they are three."""
    subscription = scene.subscription(scene.on_a_clock().customer())
    item = subscription["items"].data[0].id
    update = scene.v1.subscriptions.update

    seats = update(subscription.id, {"items": [{"id": item, "quantity": 3}]})
    same = update(subscription.id, {"items": [{"id": item, "price": BASIC}]})
    other = update(subscription.id, {"items": [{"id": item, "price": PRO}]})
    back = update(subscription.id, {"items": [{"id": item, "price": BASIC, "quantity": 3}]})

    shown = [each["items"].data[0].quantity for each in (seats, same, other, back)]
    assert shown == [3, 3, 1, 3]


def test_not_every_update_can_wait(scene: Scene) -> None:
    """A parameter that cannot be deferred is named, and so is an invoice that is sent."""
    charged = scene.subscription(scene.customer())
    billed = scene.subscription(
        scene.customer(), collection_method="send_invoice", days_until_due=3
    )
    pending = {"payment_behavior": "pending_if_incomplete", "metadata": {"a": "b"}}

    with pytest.raises(stripe.InvalidRequestError) as unsupported:
        scene.v1.subscriptions.update(charged.id, {**pending, "description": "Seats"})
    with pytest.raises(stripe.InvalidRequestError, match="send_invoice"):
        scene.v1.subscriptions.update(billed.id, pending)

    assert unsupported.value.param == "description"


def test_an_invoice_lists_pending_items_first(scene: Scene) -> None:
    """Pending items, newest first; the subscription's items; what is added to the draft."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    owed = {"customer": customer.id, "currency": "usd", "amount": 100}
    scene.v1.invoice_items.create({**owed, "description": "first"})
    scene.after(DAY)
    scene.v1.invoice_items.create({**owed, "description": "second"})
    scene.after(MONTH)
    draft = scene.seen(subscription).latest_invoice
    scene.v1.invoice_items.create({**owed, "description": "late", "invoice": draft.id})

    lines = scene.v1.invoices.retrieve(draft.id).lines.data

    named = [line.description for line in lines]
    assert [named[0], named[1], named[3]] == ["second", "first", "late"]
    assert lines[2].parent.type == "subscription_item_details"


def test_a_part_of_a_month_gives_back_its_part(scene: Scene) -> None:
    """Who leaves in a first half month that cost half gets that half back, not the whole price."""
    customer = scene.on_a_clock().customer()
    anchor = NEW_YEAR + int(MONTH / 2)
    subscription = scene.subscription(customer, billing_cycle_anchor=anchor)

    scene.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})

    assert subscription.latest_invoice.amount_paid == 500
    assert scene.v1.customers.retrieve(customer.id).balance == -500


def test_an_item_added_to_a_part_of_a_month_costs_its_part(scene: Scene) -> None:
    """Half a month of another item is half its price."""
    customer = scene.on_a_clock().customer()
    anchor = NEW_YEAR + int(MONTH / 2)
    subscription = scene.subscription(customer, billing_cycle_anchor=anchor)

    wanted = {"items": [{"price": PRO}], "proration_behavior": "always_invoice"}
    scene.v1.subscriptions.update(subscription.id, wanted)

    assert scene.seen(subscription).latest_invoice.amount_paid == 1250


def test_leaving_during_a_trial_gives_nothing_back(scene: Scene) -> None:
    """Unused time that was free is worth nothing."""
    customer = scene.customer()
    subscription = scene.subscription(customer, trial_period_days=14)

    scene.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})

    assert scene.v1.customers.retrieve(customer.id).balance == 0


def test_an_upgrade_keeps_the_percentage_off(scene: Scene) -> None:
    """With half off, half a month more of the more expensive price costs half of that."""
    coupon = scene.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, discounts=[{"coupon": coupon.id}])
    scene.after(int(MONTH / 2))
    item = subscription["items"].data[0].id

    wanted = {"items": [{"id": item, "price": PRO}], "proration_behavior": "always_invoice"}
    scene.v1.subscriptions.update(subscription.id, wanted)

    invoice = scene.seen(subscription).latest_invoice
    assert [line.amount for line in invoice.lines.data] == [-250, 625]
    assert invoice.amount_paid == 375
