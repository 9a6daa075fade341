"""Invoices by hand: what becomes of balances when they are voided."""

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
