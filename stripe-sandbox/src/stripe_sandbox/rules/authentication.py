"""Completes 3-D Secure for payment and setup intents, and applies the outcome."""

from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.objects.payments import PaymentIntent, SetupIntent
from stripe_sandbox.rules import checkout, invoice_collection, payments, setups, subscriptions
from stripe_sandbox.storage.kinds import PAYMENT_INTENT, SETUP_INTENT, SUBSCRIPTION
from stripe_sandbox.storage.store import Work


def intent_with(work: Work, identifier: str) -> PaymentIntent | SetupIntent:
    """The payment or setup intent with this id.

    Raises:
        ResourceMissing: There is none.
    """
    intent = work.find(PAYMENT_INTENT, identifier) or work.find(SETUP_INTENT, identifier)
    if intent is None:
        raise ResourceMissing("intent", identifier, param="intent")
    return intent


def complete_3ds(work: Work, identifier: str, *, succeed: bool) -> PaymentIntent | SetupIntent:
    """Complete or fail the authentication of a payment or setup intent.

    Args:
        identifier: A `pi_…` or `seti_…` id.
        succeed: Whether the customer passed the challenge.

    Raises:
        ResourceMissing: There is no such intent.
        InvalidRequest: It does not wait for authentication.
    """
    intent = intent_with(work, identifier)
    if intent["status"] != "requires_action":
        raise InvalidRequest(
            f"This intent does not require authentication: its status is {intent['status']}."
        )
    if intent["object"] == "setup_intent":
        _complete_setup(work, intent, succeed=succeed)
    else:
        payments.authenticate(work, intent, succeed=succeed)
        invoice_collection.after_attempt(work, intent)
    checkout.after_authentication(work, intent)
    return intent


def _complete_setup(work: Work, intent: SetupIntent, *, succeed: bool) -> None:
    setups.authenticate(work, intent, succeed=succeed)
    if intent["status"] == "succeeded":
        for subscription in work.all(SUBSCRIPTION, {"pending_setup_intent": intent["id"]}):
            subscription["pending_setup_intent"] = None
            subscriptions.changed(work, subscription)
