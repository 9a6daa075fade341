"""Invoices by hand: what becomes of balances when they are voided."""

import pytest
import stripe

from tests.scenes import DAY, HOUR, Scene


def test_voiding_gives_the_balance_back(scene: Scene) -> None:
    """Credit that a voided invoice had used up pays for the next one instead."""
    customer = scene.customer(balance=-300)
    invoice = scene.v1.invoices.create({"customer": customer.id, "auto_advance": False})
    scene.v1.invoice_items.create(
        {"customer": customer.id, "amount": 800, "currency": "usd", "invoice": invoice.id}
    )
    finalized = scene.v1.invoices.finalize_invoice(invoice.id)

    scene.v1.invoices.void_invoice(invoice.id)

    moves = scene.v1.customers.balance_transactions.list(customer.id).data
    assert (finalized.amount_due, finalized.ending_balance) == (500, 0)
    assert scene.v1.customers.retrieve(customer.id).balance == -300
    assert (moves[0].type, moves[0].amount) == ("unapplied_from_invoice", -300)


def test_currencies_are_not_added_up(scene: Scene) -> None:
    """Euros that wait stay out of an invoice in dollars, and dollars of credit pay no euros."""
    customer = scene.customer(balance=-300)
    for currency in ("usd", "EUR"):
        scene.v1.invoice_items.create(
            {"customer": customer.id, "amount": 800, "currency": currency}
        )

    include = {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    euros = scene.v1.invoices.create({**include, "currency": "EUR"})
    dollars = scene.v1.invoices.create({**include, "currency": "usd"})

    paid = [scene.v1.invoices.finalize_invoice(one.id) for one in (euros, dollars)]
    assert [(one.currency, one.total, one.amount_due) for one in paid] == [
        ("eur", 800, 800),
        ("usd", 800, 500),
    ]


def test_a_customer_pays_in_one_currency_at_a_time(scene: Scene) -> None:
    """A subscription in euros is refused beside one in dollars."""
    price = scene.v1.prices.create(
        {
            "product": "prod_sandbox_basic",
            "currency": "eur",
            "unit_amount": 900,
            "recurring": {"interval": "month"},
        }
    )
    customer = scene.customer()
    subscription = scene.subscription(customer)

    with pytest.raises(stripe.InvalidRequestError, match="combine currencies"):
        scene.subscription(customer, price.id)

    scene.v1.subscriptions.cancel(subscription.id)
    assert scene.subscription(customer, price.id).status == "active"


def test_an_invoice_over_nothing_is_a_draft_of_zero(scene: Scene) -> None:
    """Without pending items there is still a draft, and it can be paid."""
    customer = scene.customer()
    subscription = scene.subscription(customer)

    invoice = scene.v1.invoices.create({"customer": customer.id, "subscription": subscription.id})

    assert (invoice.status, invoice.total, invoice.billing_reason) == ("draft", 0, "manual")
    assert scene.v1.invoices.pay(invoice.id).status == "paid"


def test_an_invoice_item_describes_its_price(scene: Scene) -> None:
    """`price_data` needs no stored price."""
    item = scene.v1.invoice_items.create(
        {
            "customer": scene.customer().id,
            "quantity": 2,
            "price_data": {
                "product": "prod_sandbox_basic",
                "currency": "usd",
                "unit_amount": 700,
            },
        }
    )

    assert (item.amount, item.currency, item.quantity) == (1400, "usd", 2)


@pytest.mark.parametrize("call", ["mark_uncollectible", "void_invoice"])
def test_a_subscription_continues_once_its_newest_invoice_is_not_owed(
    scene: Scene, call: str
) -> None:
    """The newest invoice that is not void decides whether it is past due."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    scene.after(31 * DAY + 2 * HOUR)
    owed = scene.seen(subscription)

    getattr(scene.v1.invoices, call)(owed.latest_invoice.id)

    assert owed.status == "past_due"
    assert scene.seen(subscription).status == "active"


def test_a_renewal_is_announced_a_week_before(scene: Scene) -> None:
    """`invoice.upcoming` shows the invoice that is to come, and creates none."""
    subscription = scene.on_a_clock().subscription(scene.customer())

    scene.after(31 * DAY - 7 * DAY)

    events = scene.v1.events.list({"type": "invoice.upcoming"}).data
    coming = next(e.data.object for e in events if e.data.object.customer == subscription.customer)
    assert (coming.total, coming.billing_reason) == (1000, "upcoming")
    assert coming.id.startswith("upcoming_in_")
    assert scene.seen(subscription).latest_invoice.billing_reason == "subscription_create"
