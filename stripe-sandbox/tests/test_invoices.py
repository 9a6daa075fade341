"""Invoices by hand: what becomes of balances when they are voided."""

import pytest
import stripe

from tests.scenes import Scene


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
