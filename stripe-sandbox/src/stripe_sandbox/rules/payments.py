"""Payment intents: attempts to charge a card, 3-D Secure, and what is left behind."""

import hashlib
from typing import Any

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import CardError
from stripe_sandbox.rules import money, payment_methods
from stripe_sandbox.rules.cards import Decline, TestCard
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]

# How long a card holds money that was authorised and not captured.
_HELD_FOR = 7 * 86400

AUTHENTICATION_FAILED = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data "
    "or a new PaymentMethod to attempt to fulfill this PaymentIntent again."
)


def new_intent(work: Work, values: Json) -> Json:
    """A payment intent that has not been attempted."""
    identifier = work.ids.new("pi_")
    intent = work.create(
        "payment_intent",
        {
            "id": identifier,
            "created": work.now(values.get("_clock")),
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


def attempt(
    work: Work,
    intent: Json,
    method: Json,
    *,
    off_session: bool,
    return_url: str | None = None,
) -> Json:
    """Try to charge a payment method; the intent's status says how it went.

    Args:
        work: The unit of work.
        intent: A payment intent that can be confirmed.
        method: The payment method to charge.
        off_session: Whether the customer is away, so that cards set up before pay.
        return_url: Where that page sends the customer afterwards.
    """
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    card = payment_methods.card_of(method)
    if _challenges(card, method, off_session=off_session):
        return _challenge(work, intent, return_url)
    return settle(work, intent)


def _challenges(card: TestCard, method: Json, *, off_session: bool) -> bool:
    if card.challenge == "unless_set_up":
        return not method.get("_set_up")
    return card.challenge == "always" or (card.challenge == "on_session" and not off_session)


def _challenge(work: Work, intent: Json, return_url: str | None) -> Json:
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


def authenticate(work: Work, intent: Json, *, succeed: bool) -> Json:
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
    method = work.get("payment_method", intent["payment_method"])
    if intent["setup_future_usage"] == "off_session":
        method["_set_up"] = True
        work.save(method)
    return settle(work, intent, authenticated=True)


def refuse_unauthenticated(work: Work, intent: Json) -> Json:
    """Decline a payment that asks for 3-D Secure while the customer is away."""
    intent["next_action"] = None
    intent["last_payment_error"] = _error(
        work,
        intent,
        "Your card was declined. This transaction requires authentication.",
        {"code": "authentication_required", "decline_code": "authentication_required"},
    )
    return _refused(work, intent)


def settle(work: Work, intent: Json, *, authenticated: bool = False) -> Json:
    """Charge the intent's payment method; no challenge stands in the way any more."""
    method = work.get("payment_method", intent["payment_method"])
    decline = payment_methods.card_of(method).refuses
    charge = _charge(work, intent, method, decline, authenticated=authenticated)
    intent["latest_charge"] = charge["id"]
    if decline:
        fields = payment_methods.decline_fields(decline) | {"charge": charge["id"]}
        intent["last_payment_error"] = _error(work, intent, decline.message, fields)
        emit(work, "charge.failed", charge)
        return _refused(work, intent)
    _keep_method(work, intent, method)
    if intent["capture_method"] == "manual":
        return _authorised(work, intent)
    return _succeeded(work, intent, charge)


def _keep_method(work: Work, intent: Json, method: Json) -> None:
    """Attach a new card as `setup_future_usage` asks; one that is not kept pays once."""
    customer = work.find(intent["customer"] or "")
    if customer and not customer.get("deleted") and intent["setup_future_usage"]:
        payment_methods.attach(work, method, customer)
    elif not method["customer"]:
        method["_spent"] = True
        work.save(method)


def _succeeded(work: Work, intent: Json, charge: Json) -> Json:
    money.book(work, charge, charge["amount"])
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "amount_capturable": 0}
    emit(work, "charge.succeeded", charge)
    emit(work, "payment_intent.succeeded", work.save(intent))
    return intent


def _authorised(work: Work, intent: Json) -> Json:
    intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
    emit(work, "payment_intent.amount_capturable_updated", work.save(intent))
    return intent


def capture(work: Work, intent: Json, amount: int) -> Json:
    """Take the authorised money, or part of it."""
    charge = work.get("charge", intent["latest_charge"])
    charge |= {"captured": True, "amount_captured": amount}
    money.book(work, charge, amount)
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    emit(work, "charge.captured", work.save(charge))
    emit(work, "payment_intent.succeeded", work.save(intent))
    return intent


def _refused(work: Work, intent: Json) -> Json:
    intent |= {"status": "requires_payment_method", "payment_method": None}
    emit(work, "payment_intent.payment_failed", work.save(intent))
    return intent


def cancel(work: Work, intent: Json, *, reason: str | None) -> Json:
    """Cancel an intent that has not succeeded."""
    intent |= {
        "status": "canceled",
        "canceled_at": work.now(intent.get("_clock")),
        "cancellation_reason": reason,
        "next_action": None,
        "amount_capturable": 0,
    }
    emit(work, "payment_intent.canceled", work.save(intent))
    return intent


def declined(work: Work, intent: Json) -> CardError:
    """The refusal a caller gets when a confirmation that must succeed did not."""
    error = dict(intent["last_payment_error"])
    error.pop("type")
    return CardError(
        error.pop("message"),
        code=error.pop("code"),
        param=error.pop("param", None),
        **{k: v for k, v in error.items() if k != "doc_url"},
        payment_intent=present(work, intent),
    )


def _error(work: Work, intent: Json, message: str, fields: Json) -> Json:
    method = work.get("payment_method", intent["payment_method"])
    code = str(fields["code"]).replace("_", "-")
    return {
        **fields,
        "doc_url": f"https://docs.stripe.com/error-codes/{code}",
        "message": message,
        "payment_method": present(work, method),
        "type": "card_error" if "decline_code" in fields or "charge" in fields else _KIND,
    }


_KIND = "invalid_request_error"


def _charge(
    work: Work, intent: Json, method: Json, decline: Decline | None, *, authenticated: bool
) -> Json:
    paid = decline is None
    identifier = work.ids.new("ch_")
    captured = paid and intent["capture_method"] != "manual"
    return work.create(
        "charge",
        {
            "id": identifier,
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if captured else 0,
            "amount_refunded": 0,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "STRIPE SANDBOX",
            "captured": captured,
            "created": work.now(intent.get("_clock")),
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
    work: Work, intent: Json, method: Json, decline: Decline | None, *, authenticated: bool
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
        **({"capture_before": work.now(intent.get("_clock")) + _HELD_FOR} if held else {}),
    }


def _three_d_secure() -> Json:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "result": "authenticated",
        "version": "2.2.0",
    }
