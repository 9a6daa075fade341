"""Payment intents and charges."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.resources import searching
from stripe_sandbox.rules import invoice_collection, payment_methods, payments
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]

_FIELDS = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}


@handles("payment_intents.create")
def create(call: Call) -> Json:
    """A payment intent, confirmed at once if that is asked for."""
    work, params = call.work, call.params
    _check_amount(params["amount"])
    customer = _customer(work, params.get("customer"))
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    intent = payments.new_intent(
        work,
        {
            "amount": params["amount"],
            "automatic_payment_methods": {"allow_redirects": "always", **automatic},
            "capture_method": params.get("capture_method", "automatic_async"),
            "confirmation_method": params.get("confirmation_method", "automatic"),
            "currency": params["currency"].lower(),
            "customer": customer["id"] if customer else None,
            "metadata": changes.metadata({}, params),
            "_clock": customer["test_clock"] if customer else None,
            **changes.given(params, *_FIELDS),
        },
    )
    method = _method(work, intent, params)
    if method:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        work.save(intent)
    return _confirm(call, intent) if params.get("confirm") else intent


def _check_amount(amount: int) -> None:
    if amount <= 0:
        raise InvalidRequest(
            "The amount must be greater than or equal to the minimum charge amount allowed for "
            "your account and the currency set (https://docs.stripe.com/currencies#minimum-and-"
            "maximum-charge-amounts).  If you want to save a Payment Method for future use without "
            "an immediate payment, use a Setup Intent instead: "
            "https://docs.stripe.com/payments/setup-intents",
            code="parameter_invalid_integer",
            param="amount",
        )
    if amount < 50:
        raise InvalidRequest(
            "Amount must be at least $0.50 usd", code="amount_too_small", param="amount"
        )


def _customer(work: Work, identifier: str | None) -> Json | None:
    return work.referenced("customer", identifier, param="customer") if identifier else None


def _method(work: Work, intent: Json, params: Any) -> Json | None:
    """The payment method a request names; another customer's is refused."""
    named = params.get("payment_method")
    if not named:
        return None
    method = payment_methods.resolve(work, named, param="payment_method")
    if method["customer"] and method["customer"] != intent["customer"]:
        raise InvalidRequest(
            "The provided PaymentMethod was previously used with a different customer than the "
            "one of this PaymentIntent and may not be used.",
            code="payment_intent_unexpected_state",
            param="payment_method",
        )
    if method.get("_spent"):
        raise InvalidRequest(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
            "attachment or was detached from a Customer. It may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    return method


@handles("payment_intents.confirm")
def confirm(call: Call) -> Json:
    """Try to pay."""
    intent = call.work.get("payment_intent", call.id)
    method = _method(call.work, intent, call.params)
    if method:
        intent["payment_method"] = method["id"]
    intent |= changes.given(call.params, "receipt_email", "setup_future_usage")
    return _confirm(call, intent)


def _confirm(call: Call, intent: Json) -> Json:
    work, params = call.work, call.params
    if intent["status"] not in _CONFIRMABLE:
        raise _unexpected(work, intent, "confirm")
    if not intent["payment_method"]:
        raise InvalidRequest(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
            "either update the PaymentIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
        )
    method = work.get("payment_method", intent["payment_method"])
    off_session, alone = params.get("off_session"), params.get("error_on_requires_action")
    return_url = params.get("return_url")
    payments.attempt(work, intent, method, off_session=bool(off_session), return_url=return_url)
    if (off_session or alone) and intent["status"] == "requires_action":
        payments.refuse_unauthenticated(work, intent)
    invoice_collection.after_attempt(work, intent)
    if intent["status"] == "requires_payment_method":
        raise payments.declined(work, intent)
    return intent


def _unexpected(work: Work, intent: Json, verb: str) -> InvalidRequest:
    return InvalidRequest(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=present(work, intent),
    )


@handles("payment_intents.retrieve")
def retrieve(call: Call) -> Json:
    """One payment intent."""
    # A secret key sees every intent; the client secret is for those who have none.
    call.params.get("client_secret")
    return call.work.get("payment_intent", call.id, param="intent")


@handles("payment_intents.update")
def update(call: Call) -> Json:
    """Change an intent that has not been paid."""
    work = call.work
    intent = work.get("payment_intent", call.id, param="intent")
    if intent["status"] not in _CONFIRMABLE and set(call.params) - {"metadata", "description"}:
        raise _unexpected(work, intent, "update")
    customer = _customer(work, call.params.get("customer"))
    if customer:
        intent["customer"] = customer["id"]
    method = _method(work, intent, call.params)
    if method:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    intent |= changes.given(call.params, "amount", "currency", *_FIELDS)
    intent["metadata"] = changes.metadata(intent["metadata"], call.params)
    return work.save(intent)


@handles("payment_intents.cancel")
def cancel(call: Call) -> Json:
    """Cancel an intent that has not succeeded; an invoice's own intent goes with the invoice."""
    intent = call.work.get("payment_intent", call.id, param="intent")
    if intent["status"] in {"succeeded", "canceled"}:
        raise _unexpected(call.work, intent, "cancel")
    if intent.get("_invoice"):
        raise InvalidRequest(
            "You cannot cancel this PaymentIntent because it is managed by an invoice. Void the "
            "invoice instead.",
            code="payment_intent_unexpected_state",
        )
    return payments.cancel(
        call.work, intent, reason=call.params.get("cancellation_reason", "requested_by_customer")
    )


@handles("payment_intents.capture")
def capture(call: Call) -> Json:
    """Take authorised money."""
    intent = call.work.get("payment_intent", call.id, param="intent")
    if intent["status"] != "requires_capture":
        raise _unexpected(call.work, intent, "capture")
    amount = call.params.get("amount_to_capture", intent["amount"])
    if amount > intent["amount_capturable"]:
        raise InvalidRequest("The amount is more than can be captured.", param="amount_to_capture")
    return payments.capture(call.work, intent, amount)


@handles("payment_intents.list")
def list_intents(call: Call) -> Json:
    """Payment intents, newest first."""
    return page(call, "payment_intent", {"customer": call.params.get("customer")})


@handles("payment_intents.search")
def search(call: Call) -> Json:
    """Payment intents by amount, currency, customer, status or metadata."""
    return searching.search(call, "payment_intent")


@handles("charges.retrieve")
def retrieve_charge(call: Call) -> Json:
    """One charge."""
    return call.work.get("charge", call.id)


@handles("charges.list")
def list_charges(call: Call) -> Json:
    """Charges, newest first."""
    where = {name: call.params.get(name) for name in ("customer", "payment_intent")}
    return page(call, "charge", where)


@handles("charges.update")
def update_charge(call: Call) -> Json:
    """Change what may change of a charge."""
    charge = call.work.get("charge", call.id)
    charge |= changes.given(
        call.params, "description", "receipt_email", "shipping", "fraud_details"
    )
    charge["metadata"] = changes.metadata(charge["metadata"], call.params)
    emit(call.work, "charge.updated", call.work.save(charge))
    return charge


@handles("charges.search")
def search_charges(call: Call) -> Json:
    """Charges by amount, currency, customer, status or metadata."""
    return searching.search(call, "charge")
