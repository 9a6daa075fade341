"""What payment intents and setup intents have in common: their payment method and its checks."""

from typing import Any

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.payments import PaymentIntent, PaymentMethod, SetupIntent
from stripe_sandbox.objects.state import PaymentMethodState
from stripe_sandbox.rules import payment_methods
from stripe_sandbox.storage.kinds import PAYMENT_METHOD
from stripe_sandbox.storage.store import Work

# In these an intent can be changed, confirmed and canceled.
OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}

_NAMES = {"payment_intent": "PaymentIntent", "setup_intent": "SetupIntent"}


def unexpected(work: Work, intent: PaymentIntent | SetupIntent, verb: str) -> InvalidRequest:
    """The refusal of a call that the intent's status does not allow.

    Args:
        intent: The intent, which the answer shows.
        verb: What was called, such as `confirm`.
    """
    kind = intent["object"]
    shown: Json = {kind: present(work, intent)}
    return InvalidRequest(
        f"You cannot {verb} this {_NAMES[kind]} because it has a status of {intent['status']}.",
        code=f"{kind}_unexpected_state",
        **shown,
    )


def set_method(work: Work, intent: PaymentIntent | SetupIntent, params: Any) -> None:
    """Give an intent the payment method that a request names, if it names one.

    Raises:
        ResourceMissing: There is no such payment method.
        InvalidRequest: It is another customer's, or was used up or detached before.
    """
    named = params.get("payment_method")
    if not named:
        if "payment_method" in params and intent["status"] in OPEN:
            intent |= {"payment_method": None, "status": "requires_payment_method"}
        return
    method = payment_methods.resolve(work, named, param="payment_method")
    name, kind = _NAMES[intent["object"]], intent["object"]
    if method["customer"] and method["customer"] != intent["customer"]:
        raise InvalidRequest(
            f"The provided PaymentMethod belongs to a different customer than this {name}.",
            code=f"{kind}_unexpected_state",
            param="payment_method",
        )
    if work.state(method, PaymentMethodState).spent:
        raise InvalidRequest(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
            "attachment or was detached from a Customer. It may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    if intent["status"] in OPEN:
        intent["status"] = "requires_confirmation"
    intent["payment_method"] = method["id"]


def method_to_confirm(work: Work, intent: PaymentIntent | SetupIntent) -> PaymentMethod:
    """The payment method with which an intent can be confirmed now.

    Raises:
        InvalidRequest: The intent's status does not allow it, or it has no payment method.
    """
    if intent["status"] not in OPEN:
        raise unexpected(work, intent, "confirm")
    if not intent["payment_method"]:
        kind = intent["object"]
        raise InvalidRequest(
            f"You cannot confirm this {_NAMES[kind]} because it's missing a payment method. You "
            f"can either update the {_NAMES[kind]} with a payment method and then confirm it "
            "again, or confirm it again directly with a payment method or ConfirmationToken.",
            code=f"{kind}_unexpected_state",
        )
    return work.get(PAYMENT_METHOD, intent["payment_method"])
