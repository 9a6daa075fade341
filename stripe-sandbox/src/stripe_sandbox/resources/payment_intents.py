"""Payment intents and charges."""

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.payments import PaymentIntent
from stripe_sandbox.resources import intents, searching
from stripe_sandbox.rules import invoice_collection, invoices, payments
from stripe_sandbox.storage.kinds import CHARGE, CUSTOMER, PAYMENT_INTENT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_FIELDS = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)

retrieves("charges.retrieve", CHARGE)


_NEEDS_RETURN_URL = (
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. "
    "Because some of these payment methods might redirect your customer off of your page, you "
    "must provide a `return_url`. If you don't want to accept redirect-based payment methods, set "
    "`automatic_payment_methods[enabled]` to `true` and "
    "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
    "Payment Intents."
)


@handles("payment_intents.create")
def create(call: Call) -> Thing:
    """Create a payment intent, and confirm it if `confirm` asks for that."""
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
            **changes.given(params, *_FIELDS),
        },
    )
    intents.set_method(work, intent, params)
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


def _customer(work: Work, identifier: str | None) -> Customer | None:
    return work.referenced(CUSTOMER, identifier, param="customer") if identifier else None


@handles("payment_intents.confirm")
def confirm(call: Call) -> Thing:
    """Try to pay."""
    intent = call.work.get(PAYMENT_INTENT, call.id)
    intents.set_method(call.work, intent, call.params)
    changes.update(intent, changes.given(call.params, "receipt_email", "setup_future_usage"))
    return _confirm(call, intent)


def _confirm(call: Call, intent: PaymentIntent) -> PaymentIntent:
    work, params = call.work, call.params
    off_session, alone = params.get("off_session"), params.get("error_on_requires_action")
    return_url = params.get("return_url")
    method = intents.method_to_confirm(work, intent)
    automatic: Json = intent["automatic_payment_methods"] or {"allow_redirects": "never"}
    if return_url is None and automatic["allow_redirects"] == "always":
        raise InvalidRequest(_NEEDS_RETURN_URL)
    payments.attempt(work, intent, method, off_session=bool(off_session), return_url=return_url)
    if (off_session or alone) and intent["status"] == "requires_action":
        payments.refuse_unauthenticated(work, intent)
    invoice_collection.after_attempt(work, intent)
    if intent["status"] == "requires_payment_method":
        raise payments.declined(work, intent)
    return intent


@handles("payment_intents.retrieve")
def retrieve(call: Call) -> Thing:
    """One payment intent."""
    # A secret key sees every intent; the client secret is for callers without one.
    call.params.get("client_secret")
    return call.work.get(PAYMENT_INTENT, call.id, param="intent")


@handles("payment_intents.update")
def update(call: Call) -> Thing:
    """Change an intent that has not been paid."""
    work = call.work
    intent = work.get(PAYMENT_INTENT, call.id, param="intent")
    if intent["status"] not in intents.OPEN and set(call.params) - {"metadata", "description"}:
        raise intents.unexpected(work, intent, "update")
    if "customer" in call.params:
        customer = _customer(work, call.params["customer"])
        intent["customer"] = customer["id"] if customer else None
    intents.set_method(work, intent, call.params)
    changes.apply(intent, call.params, "amount", "currency", *_FIELDS)
    return work.save(intent)


@handles("payment_intents.cancel")
def cancel(call: Call) -> Thing:
    """Cancel an intent that has not succeeded; an invoice's intent is canceled with the invoice."""
    intent = call.work.get(PAYMENT_INTENT, call.id, param="intent")
    if intent["status"] in {"succeeded", "canceled"}:
        raise intents.unexpected(call.work, intent, "cancel")
    if invoices.paid_with(call.work, intent):
        raise InvalidRequest(
            "You cannot cancel this PaymentIntent because it is managed by an invoice. Void the "
            "invoice instead.",
            code="payment_intent_unexpected_state",
        )
    return payments.cancel(
        call.work, intent, reason=call.params.get("cancellation_reason", "requested_by_customer")
    )


@handles("payment_intents.capture")
def capture(call: Call) -> Thing:
    """Capture an authorised payment."""
    intent = call.work.get(PAYMENT_INTENT, call.id, param="intent")
    if intent["status"] != "requires_capture":
        raise intents.unexpected(call.work, intent, "capture")
    amount = call.params.get("amount_to_capture", intent["amount"])
    if amount > intent["amount_capturable"]:
        raise InvalidRequest("The amount is more than can be captured.", param="amount_to_capture")
    return payments.capture(call.work, intent, amount)


@handles("payment_intents.list")
def list_intents(call: Call) -> Thing:
    """Payment intents, newest first."""
    return page(call, PAYMENT_INTENT, {"customer": call.params.get("customer")})


@handles("payment_intents.search")
def search(call: Call) -> Thing:
    """Payment intents by amount, currency, customer, status or metadata."""
    return searching.search(call, PAYMENT_INTENT)


@handles("charges.list")
def list_charges(call: Call) -> Thing:
    """Charges, newest first."""
    where = {name: call.params.get(name) for name in ("customer", "payment_intent")}
    return page(call, CHARGE, where)


@handles("charges.update")
def update_charge(call: Call) -> Thing:
    """Change what may change of a charge."""
    charge = call.work.get(CHARGE, call.id)
    fields = ("description", "receipt_email", "shipping", "fraud_details")
    changes.apply(charge, call.params, *fields)
    emit(call.work, "charge.updated", call.work.save(charge))
    return charge


@handles("charges.search")
def search_charges(call: Call) -> Thing:
    """Charges by amount, currency, customer, status or metadata."""
    return searching.search(call, CHARGE)
