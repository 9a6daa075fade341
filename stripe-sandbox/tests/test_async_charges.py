"""Charges that are captured asynchronously get their balance transaction later."""

from tests.scenes import Scene
from tests.server import wait_until


def test_the_balance_transaction_follows_the_answer(scene: Scene) -> None:
    """It is null just after the confirmation; `charge.updated` says when it is there."""
    intent = scene.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "return_url": "https://shop.example.com",
            "expand": ["latest_charge"],
        }
    )
    charge = intent.latest_charge

    wait_until(lambda: bool(scene.v1.charges.retrieve(charge.id).balance_transaction))

    updated = next(e for e in scene.events(charge.id) if e.type == "charge.updated")
    assert charge.balance_transaction is None
    assert updated.data.previous_attributes.to_dict() == {"balance_transaction": None}


def test_an_invoices_charge_has_it_at_once(scene: Scene) -> None:
    """Payments of invoices are captured with the answer."""
    subscription = scene.subscription(scene.customer())

    paid = subscription.latest_invoice.payments.data[0].payment.payment_intent

    assert scene.v1.charges.retrieve(paid.latest_charge).balance_transaction
