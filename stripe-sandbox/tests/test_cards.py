"""Cards that are declined, are another customer's, or may not be sent at all."""

from typing import Any

import pytest
import stripe

from tests.refusing import error_in
from tests.scenes import Scene, intent_of


def test_another_customers_card_cannot_be_used(scene: Scene) -> None:
    """A payment method pays for its own customer only."""
    owner, thief = scene.customer(), scene.customer(None)
    card = owner.invoice_settings.default_payment_method

    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.subscription(thief, default_payment_method=card)
    with pytest.raises(stripe.InvalidRequestError) as taken:
        scene.v1.payment_methods.attach(card, {"customer": thief.id})

    assert refused.value.code == "resource_missing"
    assert refused.value.param == "default_payment_method"
    assert taken.value.code == "payment_method_unexpected_state"


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
def test_a_declining_card_is_declined_on_attach(
    scene: Scene, card: str, code: str, decline: str | None
) -> None:
    """402 with the published code; the customer has no card afterwards."""
    customer = scene.customer(None)

    with pytest.raises(stripe.CardError) as refused:
        scene.v1.payment_methods.attach(card, {"customer": customer.id})

    assert (refused.value.http_status, refused.value.code) == (402, code)
    assert error_in(refused).get("decline_code") == decline
    assert not scene.v1.payment_methods.list({"customer": customer.id}).data


def test_a_customer_with_a_declining_card_is_not_made(scene: Scene) -> None:
    """The decline takes the whole request back."""
    with pytest.raises(stripe.CardError):
        scene.customer("pm_card_visa_chargeDeclined", email="declined@example.com")

    assert not scene.v1.customers.list({"email": "declined@example.com"}).data


def test_a_card_that_attaches_and_then_fails(scene: Scene) -> None:
    """Card …0341 can be saved; every charge of it fails and leaves its trace."""
    subscription = scene.subscription(scene.customer("pm_card_chargeCustomerFail"))

    intent = intent_of(subscription)
    charge = scene.v1.charges.retrieve(intent.latest_charge)
    assert (subscription.status, intent.status) == ("incomplete", "requires_payment_method")
    assert intent.last_payment_error.decline_code == "generic_decline"
    assert (charge.status, charge.failure_code) == ("failed", "card_declined")


def test_a_declined_payment_intent_stays(scene: Scene) -> None:
    """A 402 names the intent, which can be tried again with a better card."""
    with pytest.raises(stripe.CardError) as refused:
        scene.v1.payment_intents.create(
            {
                "amount": 1000,
                "currency": "usd",
                "payment_method": "pm_card_visa_chargeDeclined",
                "confirm": True,
                "return_url": "https://example.com",
            }
        )

    identifier = error_in(refused)["payment_intent"]["id"]
    paid = scene.v1.payment_intents.confirm(
        identifier, {"payment_method": "pm_card_visa", "return_url": "https://example.com"}
    )
    assert paid.status == "succeeded"


def test_a_challenge_while_the_customer_is_absent_declines(scene: Scene) -> None:
    """An off-session payment that needs 3-D Secure is declined, not left waiting."""
    customer = scene.customer("pm_card_authenticationRequired")
    wanted = {
        "amount": 1000,
        "currency": "usd",
        "customer": customer.id,
        "payment_method": customer.invoice_settings.default_payment_method,
        "confirm": True,
        "off_session": True,
        "return_url": "https://example.com",
    }

    with pytest.raises(stripe.CardError) as refused:
        scene.v1.payment_intents.create(wanted)

    assert refused.value.code == "authentication_required"
    assert error_in(refused)["payment_intent"]["status"] == "requires_payment_method"


def test_a_raw_card_number_is_refused(client: Any) -> None:
    """Card numbers are refused, as by any account without access to raw card data."""
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "999"}

    with pytest.raises(stripe.CardError) as refused:
        client.v1.payment_methods.create({"type": "card", "card": card})

    assert error_in(refused)["type"] == "invalid_request_error"
    assert "generally unsafe" in str(refused.value)
