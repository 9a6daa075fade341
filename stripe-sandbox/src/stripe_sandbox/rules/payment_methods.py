"""Payment methods: made from test ids, attached to customers, taken off again."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from stripe_sandbox.errors import CardError, InvalidRequest, ResourceMissing
from stripe_sandbox.rules.cards import Decline, TestCard, by_test_id
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]


class AttachRefused(CardError):
    """The card was refused while it was attached; nothing was written."""

    keeps_work = False


def from_test_card(work: Work, card: TestCard, values: Json | None = None) -> Json:
    """A payment method for one of Stripe's test cards, not attached yet."""
    return work.create(
        "payment_method",
        {
            "allow_redisplay": "unspecified",
            "metadata": {},
            "billing_details": {"address": {}},
            "type": "card",
            **(values or {}),
            "card": _card(work, card),
            "_card": card.ids[0],
        },
    )


_DISPLAYED = {"amex": "american_express"}


def _card(work: Work, card: TestCard) -> Json:
    today = datetime.fromtimestamp(work.now(), UTC)
    return {
        "brand": card.brand,
        "checks": {"cvc_check": "pass"},
        "country": card.country,
        "display_brand": _DISPLAYED.get(card.brand, card.brand),
        "exp_month": today.month,
        "exp_year": today.year + 1,
        "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
        "funding": card.funding,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand]},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
    }


def card_of(method: Json) -> TestCard:
    """The test card behind a payment method."""
    card = by_test_id(method["_card"])
    if card is None:
        raise LookupError(f"{method['id']} stands for no test card")
    return card


def resolve(work: Work, identifier: str, *, param: str, status: int = 400) -> Json:
    """The payment method with this id; a test id makes a new one.

    Raises:
        ResourceMissing: It is neither a stored id nor one of Stripe's test ids.
    """
    card = by_test_id(identifier) if identifier.startswith("pm_card_") else None
    if card:
        return from_test_card(work, card)
    return work.get("payment_method", identifier, param=param, status=status)


def attach(work: Work, method: Json, customer: Json) -> Json:
    """Attach a payment method to a customer.

    Raises:
        AttachRefused: The card fails the check that Stripe makes on attaching.
        InvalidRequest: It belongs to another customer, or was used or detached before.
    """
    if method["customer"] == customer["id"]:
        return method
    if method["customer"]:
        raise InvalidRequest(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    if method.get("_spent"):
        raise InvalidRequest(
            "This PaymentMethod was previously used without being attached to a Customer or was "
            "detached from a Customer, and may not be used again.",
            code="payment_method_unexpected_state",
        )
    check_attachable(method)
    method["customer"] = customer["id"]
    emit(work, "payment_method.attached", work.save(method))
    return method


def check_attachable(method: Json) -> None:
    """Refuse a card that Stripe refuses to save.

    Raises:
        AttachRefused: The card is one of the declining ones.
    """
    card = card_of(method)
    if card.refuses and not card.attaches:
        raise AttachRefused(card.refuses.message, **decline_fields(card.refuses))


def decline_fields(decline: Decline) -> Json:
    """What an error object says about a decline."""
    fields: Json = {"code": decline.code, "decline_code": decline.decline_code}
    if decline.code in {"expired_card", "incorrect_cvc", "processing_error"}:
        del fields["decline_code"]
    if decline.advice:
        fields["advice_code"] = decline.advice
    if decline.network_code:
        fields["network_decline_code"] = decline.network_code
    if decline.code in {"expired_card", "incorrect_cvc"}:
        fields["param"] = {"expired_card": "exp_month", "incorrect_cvc": "cvc"}[decline.code]
    return fields


def detach(work: Work, method: Json) -> Json:
    """Take a payment method off its customer for good.

    Raises:
        InvalidRequest: It is not attached.
    """
    if not method["customer"]:
        raise InvalidRequest(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    owner = work.find(method["customer"])
    if owner and not owner.get("deleted"):
        _forget_default(work, owner, method["id"])
    method |= {"customer": None, "_spent": True}
    emit(work, "payment_method.detached", work.save(method))
    return method


def _forget_default(work: Work, owner: Json, method: str) -> None:
    if owner["invoice_settings"]["default_payment_method"] == method:
        owner["invoice_settings"]["default_payment_method"] = None
        emit(work, "customer.updated", work.save(owner))


def owned(work: Work, identifier: str, customer: Json, *, param: str) -> Json:
    """A payment method that must already belong to a customer.

    Raises:
        ResourceMissing: There is no such payment method.
        InvalidRequest: It belongs to nobody or to somebody else.
    """
    found = work.find(identifier)
    if found is None or found["object"] != "payment_method":
        raise ResourceMissing("PaymentMethod", identifier, param=param, status=400)
    if found["customer"] != customer["id"]:
        raise InvalidRequest(
            f"The customer does not have a payment method with the ID {identifier}. "
            "The payment method must be attached to the customer.",
            code="resource_missing",
            param=param,
        )
    return found
