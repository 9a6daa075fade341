"""Payment methods: made from test ids, attached to customers, detached."""

from datetime import UTC, datetime

from stripe_sandbox.errors import CardError, InvalidRequest, ResourceMissing
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.payments import PaymentMethod
from stripe_sandbox.objects.state import PaymentMethodState
from stripe_sandbox.rules.cards import Decline, TestCard, by_fingerprint, by_test_id
from stripe_sandbox.storage.kinds import CUSTOMER, PAYMENT_METHOD
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


class AttachRefused(CardError):
    """The card was refused while it was attached; nothing was written."""

    keeps_work = False


def from_test_card(work: Work, card: TestCard, values: Json | None = None) -> PaymentMethod:
    """A payment method for one of Stripe's test cards, not attached yet."""
    return work.create(
        PAYMENT_METHOD,
        {
            "allow_redisplay": "unspecified",
            "metadata": {},
            "billing_details": {"address": {}},
            "type": "card",
            **(values or {}),
            "card": _card(work, card),
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
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand]},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
    }


def card_of(method: PaymentMethod) -> TestCard:
    """The test card behind a payment method."""
    return by_fingerprint(method["card"]["fingerprint"])


def test_card(work: Work, identifier: str, *, prefix: str, param: str) -> TestCard | None:
    """The card that one of Stripe's test ids stands for, such as `pm_card_visa` or `tok_visa`.

    Raises:
        InvalidRequest: The account is in live mode.
    """
    card = by_test_id(identifier) if identifier.startswith(prefix) else None
    if card and work.live:
        raise InvalidRequest(
            f"You cannot use the test ID '{identifier}' in livemode. If you are testing your "
            "integration, please use your testmode API keys instead.",
            param=param,
        )
    return card


def resolve(work: Work, identifier: str, *, param: str, status: int = 400) -> PaymentMethod:
    """The payment method with this id; a test id makes a new one.

    Raises:
        ResourceMissing: It is neither a stored id nor one of Stripe's test ids.
    """
    card = test_card(work, identifier, prefix="pm_card_", param=param)
    if card:
        return from_test_card(work, card)
    return work.get(PAYMENT_METHOD, identifier, param=param, status=status)


def default_of(customer: Customer) -> str | None:
    """The payment method that a customer's invoices are charged to, else the legacy card."""
    chosen = customer["invoice_settings"]["default_payment_method"]
    return chosen or customer["default_source"]


def from_source(work: Work, token: str, customer: Customer) -> PaymentMethod:
    """Save the card of a test token as a customer's default source, as old clients do.

    Raises:
        AttachRefused: The card fails the check that Stripe makes on attaching.
        ResourceMissing: It is none of Stripe's test tokens.
    """
    card = test_card(work, token, prefix="tok_", param="source")
    if card is None:
        raise ResourceMissing("token", token, param="source", status=400)
    method = attach(work, from_test_card(work, card, {"id": work.ids.new("card_")}), customer)
    customer["default_source"] = method["id"]
    return method


def attach(work: Work, method: PaymentMethod, customer: Customer) -> PaymentMethod:
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
    if work.state(method, PaymentMethodState).spent:
        raise InvalidRequest(
            "This PaymentMethod was previously used without being attached to a Customer or was "
            "detached from a Customer, and may not be used again.",
            code="payment_method_unexpected_state",
        )
    check_attachable(method)
    method["customer"] = customer["id"]
    emit(work, "payment_method.attached", work.save(method))
    return method


def check_attachable(method: PaymentMethod) -> None:
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


def detach(work: Work, method: PaymentMethod) -> PaymentMethod:
    """Detach a payment method from its customer, for good.

    Raises:
        InvalidRequest: It is not attached.
    """
    if not method["customer"]:
        raise InvalidRequest(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    owner = work.find(CUSTOMER, method["customer"])
    if owner:
        _unset_default(work, owner, method["id"])
    method["customer"] = None
    work.state(method, PaymentMethodState).spent = True
    emit(work, "payment_method.detached", work.save(method))
    return method


def _unset_default(work: Work, owner: Customer, method: str) -> None:
    if owner["invoice_settings"]["default_payment_method"] == method:
        owner["invoice_settings"]["default_payment_method"] = None
        emit(work, "customer.updated", work.save(owner))


def owned(work: Work, identifier: str, customer: Customer, *, param: str) -> PaymentMethod:
    """A payment method that must already belong to a customer.

    Raises:
        ResourceMissing: There is no such payment method.
        InvalidRequest: It is not attached to this customer.
    """
    found = work.referenced(PAYMENT_METHOD, identifier, param=param)
    if found["customer"] != customer["id"]:
        raise InvalidRequest(
            f"The customer does not have a payment method with the ID {identifier}. "
            "The payment method must be attached to the customer.",
            code="resource_missing",
            param=param,
        )
    return found
