"""Finishes 3-D Secure on whatever waits for it, and carries the outcome on."""

from typing import Any

from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.rules import checkout, invoice_collection, payments, setups, subscriptions
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]


def finish(work: Work, identifier: str, *, succeed: bool) -> Json:
    """Complete or fail the authentication of a payment or setup intent.

    Args:
        work: The unit of work.
        identifier: A `pi_…` or `seti_…` id.
        succeed: Whether the customer passed the challenge.

    Raises:
        ResourceMissing: There is no such intent.
        InvalidRequest: It does not wait for authentication.
    """
    intent = work.find(identifier)
    if intent is None or intent["object"] not in {"payment_intent", "setup_intent"}:
        raise ResourceMissing("intent", identifier, param="intent")
    if intent["status"] != "requires_action":
        raise InvalidRequest(
            f"This intent does not wait for authentication, it has a status of {intent['status']}."
        )
    if intent["object"] == "setup_intent":
        _finish_setup(work, intent, succeed=succeed)
    else:
        payments.authenticate(work, intent, succeed=succeed)
        invoice_collection.after_attempt(work, intent)
    checkout.after_authentication(work, intent)
    return intent


def _finish_setup(work: Work, intent: Json, *, succeed: bool) -> None:
    setups.authenticate(work, intent, succeed=succeed)
    if intent["status"] == "succeeded" and intent["customer"]:
        for subscription in work.all("subscription", customer=intent["customer"]):
            if subscription["pending_setup_intent"] == intent["id"]:
                subscription["pending_setup_intent"] = None
                subscriptions.changed(work, subscription)
