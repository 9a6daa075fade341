"""Payment intents: attempts to charge a card, 3-D Secure, and what is left behind."""

import hashlib

from stripe_sandbox.api.registry import due
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import DOCS, CardError
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.payments import Charge, PaymentIntent, PaymentMethod
from stripe_sandbox.objects.state import PaymentMethodState
from stripe_sandbox.rules import money, payment_methods
from stripe_sandbox.rules.cards import Decline, TestCard
from stripe_sandbox.storage.kinds import CHARGE, CUSTOMER, PAYMENT_INTENT, PAYMENT_METHOD
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

# How long a card holds money that was authorised and not captured.
_HELD_FOR = 7 * 86400

AUTHENTICATION_FAILED = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data "
    "or a new PaymentMethod to attempt to fulfill this PaymentIntent again."
)


def new_intent(work: Work, values: Json) -> PaymentIntent:
    """A payment intent that has not been attempted."""
    identifier = work.ids.new("pi_")
    intent = work.create(
        PAYMENT_INTENT,
        {
            "id": identifier,
            "created": now_for(work, values.get("customer")),
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "capture_method": "automatic",
            "client_secret": f"{identifier}_secret_{work.ids.text(25)}",
            "confirmation_method": "automatic",
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
            **values,
        },
    )
    emit(work, "payment_intent.created", intent)
    return intent


def now_for(work: Work, customer: str | None) -> int:
    """The time on the clock that a customer lives on, in seconds since the epoch."""
    known = work.find(CUSTOMER, customer)
    return work.now(known["test_clock"] if known else None)


def attempt(
    work: Work,
    intent: PaymentIntent,
    method: PaymentMethod,
    *,
    off_session: bool,
    return_url: str | None = None,
) -> PaymentIntent:
    """Try to charge a payment method; the intent's status shows the outcome.

    Args:
        intent: A payment intent that can be confirmed.
        method: The payment method to charge.
        off_session: Whether the customer is absent, so that only cards set up before succeed.
        return_url: Where the 3-D Secure page redirects the customer afterwards.
    """
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    card = payment_methods.card_of(method)
    authenticated = work.state(method, PaymentMethodState).authenticated
    if _challenges(card, authenticated=authenticated, off_session=off_session):
        return _challenge(work, intent, return_url)
    return charge(work, intent)


def _challenges(card: TestCard, *, authenticated: bool, off_session: bool) -> bool:
    if card.challenge == "unless_set_up":
        return not authenticated
    return card.challenge == "always" or (card.challenge == "on_session" and not off_session)


def _challenge(work: Work, intent: PaymentIntent, return_url: str | None) -> PaymentIntent:
    url = f"{work.public_url}/hosted/authenticate/{intent['id']}"
    intent["status"] = "requires_action"
    intent["next_action"] = next_action(work, url, return_url)
    emit(work, "payment_intent.requires_action", work.save(intent))
    return intent


def next_action(work: Work, url: str, return_url: str | None) -> Json:
    """Where a customer authenticates: a redirect, or what Stripe.js would be given."""
    if return_url:
        return {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": url},
        }
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {
            "type": "three_d_secure_redirect",
            "source": work.ids.new("src_"),
            "stripe_js": url,
        },
    }


def authenticate(work: Work, intent: PaymentIntent, *, succeed: bool) -> PaymentIntent:
    """Finish 3-D Secure as the customer did, and charge the card if it went well."""
    intent["next_action"] = None
    if not succeed:
        intent["last_payment_error"] = _error(
            work,
            intent,
            AUTHENTICATION_FAILED,
            {"code": "payment_intent_authentication_failure"},
        )
        return _refused(work, intent)
    method = work.get(PAYMENT_METHOD, intent["payment_method"])
    if intent["setup_future_usage"] == "off_session":
        work.state(method, PaymentMethodState).authenticated = True
    return charge(work, intent, authenticated=True)


def refuse_unauthenticated(work: Work, intent: PaymentIntent) -> PaymentIntent:
    """Decline a payment that requires 3-D Secure while the customer is absent."""
    intent["next_action"] = None
    intent["last_payment_error"] = _error(
        work,
        intent,
        "Your card was declined. This transaction requires authentication.",
        {"code": "authentication_required", "decline_code": "authentication_required"},
    )
    return _refused(work, intent)


def charge(work: Work, intent: PaymentIntent, *, authenticated: bool = False) -> PaymentIntent:
    """Charge the intent's payment method, which needs no authentication any more."""
    method = work.get(PAYMENT_METHOD, intent["payment_method"])
    decline = payment_methods.card_of(method).refuses
    made = _new_charge(work, intent, method, decline, authenticated=authenticated)
    intent["latest_charge"] = made["id"]
    if decline:
        fields = payment_methods.decline_fields(decline) | {"charge": made["id"]}
        intent["last_payment_error"] = _error(work, intent, decline.message, fields)
        emit(work, "charge.failed", made)
        return _refused(work, intent)
    _keep_method(work, intent, method)
    if intent["capture_method"] == "manual":
        return _authorised(work, intent)
    return _succeeded(work, intent, made)


def _keep_method(work: Work, intent: PaymentIntent, method: PaymentMethod) -> None:
    """Attach a new card as `setup_future_usage` asks; one that is not kept can pay once."""
    customer = work.find(CUSTOMER, intent["customer"])
    if customer and intent["setup_future_usage"]:
        payment_methods.attach(work, method, customer)
    elif not method["customer"]:
        work.state(method, PaymentMethodState).spent = True


def _succeeded(work: Work, intent: PaymentIntent, charge: Charge) -> PaymentIntent:
    if intent["capture_method"] == "automatic_async":
        # The answer comes before the money does, and on the sandbox's own clock: a test
        # clock may stand still.
        work.schedule(charge, "charge.book", work.now(), clock=None)
    else:
        money.book(work, charge, charge["amount"])
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "amount_capturable": 0}
    emit(work, "charge.succeeded", charge)
    emit(work, "payment_intent.succeeded", work.save(intent))
    method = work.get(PAYMENT_METHOD, charge["payment_method"])
    if payment_methods.card_of(method).dispute:
        work.schedule(charge, "charge.dispute", work.now(), clock=None)
    return intent


@due("charge.book")
def book(work: Work, charge: Charge) -> None:
    """Write a charge into the account's balance, a moment after it was answered."""
    if charge["balance_transaction"] is None:
        money.book(work, charge, charge["amount_captured"])
        emit(work, "charge.updated", charge)


def _authorised(work: Work, intent: PaymentIntent) -> PaymentIntent:
    intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
    emit(work, "payment_intent.amount_capturable_updated", work.save(intent))
    return intent


def capture(work: Work, intent: PaymentIntent, amount: int) -> PaymentIntent:
    """Take the authorised money, or part of it."""
    charge = work.get(CHARGE, intent["latest_charge"])
    charge |= {"captured": True, "amount_captured": amount}
    money.book(work, charge, amount)
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    emit(work, "charge.captured", work.save(charge))
    emit(work, "payment_intent.succeeded", work.save(intent))
    return intent


def _refused(work: Work, intent: PaymentIntent) -> PaymentIntent:
    intent |= {"status": "requires_payment_method", "payment_method": None}
    emit(work, "payment_intent.payment_failed", work.save(intent))
    return intent


def cancel(work: Work, intent: PaymentIntent, *, reason: str | None) -> PaymentIntent:
    """Cancel an intent that has not succeeded."""
    intent |= {
        "status": "canceled",
        "canceled_at": now_for(work, intent["customer"]),
        "cancellation_reason": reason,
        "next_action": None,
        "amount_capturable": 0,
    }
    emit(work, "payment_intent.canceled", work.save(intent))
    return intent


def declined(work: Work, intent: PaymentIntent) -> CardError:
    """The refusal a caller gets when a confirmation that must succeed did not."""
    error = dict(intent["last_payment_error"] or {})
    error.pop("type")
    return CardError(
        error.pop("message"),
        code=error.pop("code"),
        param=error.pop("param", None),
        **{k: v for k, v in error.items() if k != "doc_url"},
        payment_intent=present(work, intent),
    )


def _error(work: Work, intent: PaymentIntent, message: str, fields: Json) -> Json:
    method = work.get(PAYMENT_METHOD, intent["payment_method"])
    code = str(fields["code"]).replace("_", "-")
    return {
        **fields,
        "doc_url": f"{DOCS}/{code}",
        "message": message,
        "payment_method": present(work, method),
        "type": "card_error" if "decline_code" in fields or "charge" in fields else _KIND,
    }


_KIND = "invalid_request_error"


def _new_charge(
    work: Work,
    intent: PaymentIntent,
    method: PaymentMethod,
    decline: Decline | None,
    *,
    authenticated: bool,
) -> Charge:
    paid = decline is None
    identifier = work.ids.new("ch_")
    captured = paid and intent["capture_method"] != "manual"
    return work.create(
        CHARGE,
        {
            "id": identifier,
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if captured else 0,
            "amount_refunded": 0,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "STRIPE SANDBOX",
            "captured": captured,
            "created": now_for(work, intent["customer"]),
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_code": decline.code if decline else None,
            "failure_message": decline.message if decline else None,
            "fraud_details": {},
            "metadata": intent["metadata"],
            "outcome": _outcome(decline),
            "paid": paid,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {
                "type": "card",
                "card": _card_details(work, intent, method, decline, authenticated=authenticated),
            },
            "radar_options": {},
            "receipt_email": intent["receipt_email"],
            "receipt_url": f"https://pay.stripe.com/receipts/{identifier}" if paid else None,
            "refunded": False,
            "shipping": intent["shipping"],
            "statement_descriptor": intent["statement_descriptor"],
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": "succeeded" if paid else "failed",
        },
    )


def _outcome(decline: Decline | None) -> Json:
    if decline is None:
        return {
            "network_status": "approved_by_network",
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return {
        "advice_code": decline.advice,
        "network_decline_code": decline.network_code,
        "network_status": "declined_by_network",
        "reason": decline.decline_code,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def _card_details(
    work: Work,
    intent: PaymentIntent,
    method: PaymentMethod,
    decline: Decline | None,
    *,
    authenticated: bool,
) -> Json:
    card = method["card"]
    held = intent["capture_method"] == "manual" and decline is None
    shown = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    network_id = hashlib.sha256(card["fingerprint"].encode()).hexdigest()
    return {name: card[name] for name in (*shown, "last4", "regulated_status")} | {
        "amount_authorized": intent["amount"],
        "authorization_code": None if decline else work.ids.digits(6),
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": f"{int(network_id, 16) % 10**15:015d}",
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "three_d_secure": _three_d_secure() if authenticated else None,
        **({"capture_before": now_for(work, intent["customer"]) + _HELD_FOR} if held else {}),
    }


def _three_d_secure() -> Json:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "result": "authenticated",
        "version": "2.2.0",
    }
