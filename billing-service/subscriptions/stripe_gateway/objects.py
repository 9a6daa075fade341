"""Stripe's objects as far as this service reads them, as frozen values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from subscriptions.errors import CardDeclined


class MetadataKey(StrEnum):
    """What this service writes into the metadata of Stripe's objects, and nothing else.

    Other applications in the account have keys of their own. Versions before 0.9.0 wrote these
    without the prefix.
    """

    # Of a customer, a subscription and a setup intent: the user it was made for.
    USER_ID = "billing_service_user_id"
    # Of a subscription: the attempt that made it.
    ATTEMPT = "billing_service_attempt"
    # Of a subscription: the dispute for which we paused its collection.
    PAUSED_FOR = "billing_service_paused_for"
    # Of a setup intent: what its card is for, and the cards that it is to replace.
    PURPOSE = "billing_service_purpose"
    REPLACES = "billing_service_replaces"

    @property
    def without_prefix(self) -> str:
        """The key of versions before 0.9.0."""
        return self.removeprefix("billing_service_")


@dataclass(frozen=True, kw_only=True)
class StripePaymentMethod:
    """A card; of other types only the id is known."""

    id: str
    stripe_customer_id: str
    brand: str
    last4: str
    exp_month: int | None
    exp_year: int | None
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class StripePrice:
    """What something costs, how often."""

    id: str
    stripe_product_id: str
    product_name: str
    # None for a fraction of the smallest unit, which `unit_amount_decimal` has.
    unit_amount: int | None
    unit_amount_decimal: Decimal | None
    currency: str
    interval: str
    interval_count: int
    active: bool


@dataclass(frozen=True, kw_only=True)
class StripeDiscount:
    """What is taken off every invoice until it ends: a percentage, or an amount."""

    percent_off: Decimal | None
    amount_off: int | None
    ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StripeInvoice:
    """A bill and, where it waits for the customer, the way to pay it."""

    id: str
    number: str
    status: str
    created: datetime
    # Of an invoice that is sent to the customer, who pays it until then.
    due_date: datetime | None
    period_end: datetime | None
    currency: str
    amount_due: int
    amount_paid: int
    hosted_invoice_url: str
    invoice_pdf: str
    payment_intent_id: str
    client_secret: str
    lines: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class StripeItem:
    """One line of a subscription; the period is on the items since API version 2025-03-31."""

    id: str
    price: StripePrice
    # None where usage is metered.
    quantity: int | None
    # Of this item alone; those of the subscription come on top.
    discounts: tuple[StripeDiscount, ...]
    current_period_start: datetime | None
    current_period_end: datetime | None


@dataclass(frozen=True, kw_only=True)
class StripeSubscription:
    """A subscription."""

    id: str
    stripe_customer_id: str
    status: str
    items: tuple[StripeItem, ...]
    discounts: tuple[StripeDiscount, ...]
    # What it changes to once its latest invoice is paid.
    pending_price_id: str
    cancel_at_period_end: bool
    cancel_at: datetime | None
    ended_at: datetime | None
    created: datetime
    # Of one that is overdue, in a look: the newest open one, which may be older than a draft.
    latest_invoice: StripeInvoice | None
    payment_method_id: str
    attempt_id: str
    # What becomes of its invoices while collection is paused; empty while they are collected.
    collection_paused: str
    # The dispute for which we paused it.
    paused_for: str


@dataclass(frozen=True, kw_only=True)
class StripeCustomer:
    """A customer; `subscriptions` is None unless all that have not ended are known.

    `user_id` is what our own metadata key says. `old_user_id` stands under the key of versions
    before 0.9.0, which other applications have as well. Either may be any text.
    """

    id: str
    deleted: bool
    user_id: str
    old_user_id: str
    default_payment_method_id: str
    subscriptions: tuple[StripeSubscription, ...] | None


@dataclass(frozen=True, kw_only=True)
class StripePaymentIntent:
    """How far the payment of an invoice is."""

    id: str
    status: str
    client_secret: str
    decline_code: str
    decline_message: str
    fingerprint: str


NO_PAYMENT = StripePaymentIntent(
    id="", status="", client_secret="", decline_code="", decline_message="", fingerprint=""
)


def read_payment_method(data: dict[str, Any]) -> StripePaymentMethod:
    """Read a payment method."""
    card = data.get("card") or {}
    return StripePaymentMethod(
        id=data["id"],
        stripe_customer_id=id_of(data.get("customer")),
        brand=card.get("brand") or data.get("type") or "",
        last4=card.get("last4") or "",
        exp_month=card.get("exp_month"),
        exp_year=card.get("exp_year"),
        fingerprint=card.get("fingerprint") or "",
    )


def read_price(data: dict[str, Any]) -> StripePrice:
    """Read a price; its product may be expanded."""
    recurring = data.get("recurring") or {}
    product = data.get("product")
    return StripePrice(
        id=data["id"],
        stripe_product_id=id_of(product),
        product_name=(product.get("name") or "") if isinstance(product, dict) else "",
        unit_amount=data.get("unit_amount"),
        unit_amount_decimal=_decimal(data.get("unit_amount_decimal")),
        currency=data.get("currency") or "",
        interval=recurring.get("interval") or "",
        interval_count=recurring.get("interval_count") or 1,
        active=bool(data.get("active")) and _is_sold(product),
    )


def _is_sold(product: Any) -> bool:
    # The price of an archived product stays active, but cannot be subscribed to.
    if not isinstance(product, dict):
        return True
    return bool(product.get("active")) and not product.get("deleted")


def read_invoice(data: dict[str, Any]) -> StripeInvoice:
    """Read an invoice, with the payment intent of its default payment where expanded."""
    payments = (data.get("payments") or {}).get("data") or []
    intents = [id_of((payment.get("payment") or {}).get("payment_intent")) for payment in payments]
    return StripeInvoice(
        id=data.get("id") or "",
        number=data.get("number") or "",
        status=data.get("status") or "",
        created=datetime.fromtimestamp(data["created"], UTC),
        due_date=moment(data.get("due_date")),
        period_end=moment(data.get("period_end")),
        currency=data.get("currency") or "",
        amount_due=data.get("amount_due") or 0,
        amount_paid=data.get("amount_paid") or 0,
        hosted_invoice_url=data.get("hosted_invoice_url") or "",
        invoice_pdf=data.get("invoice_pdf") or "",
        payment_intent_id=next((intent for intent in intents if intent), ""),
        client_secret=(data.get("confirmation_secret") or {}).get("client_secret") or "",
        lines=tuple((data.get("lines") or {}).get("data") or ()),
    )


def read_subscription(data: dict[str, Any]) -> StripeSubscription:
    """Read a subscription; its latest invoice may be expanded."""
    invoice = data.get("latest_invoice")
    return StripeSubscription(
        id=data["id"],
        stripe_customer_id=id_of(data.get("customer")),
        status=data["status"],
        items=tuple(_read_item(item) for item in (data.get("items") or {}).get("data") or ()),
        discounts=_read_discounts(data),
        pending_price_id=_pending_price(data),
        cancel_at_period_end=bool(data.get("cancel_at_period_end")),
        cancel_at=moment(data.get("cancel_at")),
        ended_at=moment(data.get("ended_at")),
        created=datetime.fromtimestamp(data["created"], UTC),
        latest_invoice=read_invoice(invoice) if isinstance(invoice, dict) else None,
        payment_method_id=id_of(data.get("default_payment_method")),
        attempt_id=kept_under(MetadataKey.ATTEMPT, data),
        collection_paused=(data.get("pause_collection") or {}).get("behavior") or "",
        paused_for=(data.get("metadata") or {}).get(MetadataKey.PAUSED_FOR) or "",
    )


def _pending_price(data: dict[str, Any]) -> str:
    """Return the price that an item changes to; a pending update lists all items."""
    now = {item["id"]: item["price"]["id"] for item in data["items"]["data"]}
    pending = (data.get("pending_update") or {}).get("subscription_items") or ()
    prices = ((item["id"], id_of(item["price"])) for item in pending)
    return next((price for item, price in prices if now.get(item) != price), "")


def _read_item(data: dict[str, Any]) -> StripeItem:
    return StripeItem(
        id=data["id"],
        price=read_price(data["price"]),
        quantity=data.get("quantity"),
        discounts=_read_discounts(data),
        current_period_start=moment(data.get("current_period_start")),
        current_period_end=moment(data.get("current_period_end")),
    )


def _read_discounts(data: dict[str, Any]) -> tuple[StripeDiscount, ...]:
    """Read the discounts of more than one invoice, where they and their coupons are expanded."""
    found = (each for each in data.get("discounts") or () if isinstance(each, dict))
    coupons = ((each, (each.get("source") or {}).get("coupon")) for each in found)
    return tuple(
        StripeDiscount(
            percent_off=_decimal(coupon.get("percent_off")),
            amount_off=coupon.get("amount_off"),
            ends_at=moment(each.get("end")),
        )
        for each, coupon in coupons
        if isinstance(coupon, dict) and coupon["duration"] != "once"
    )


def read_customer(data: dict[str, Any]) -> StripeCustomer:
    """Read a customer, deleted ones included."""
    subscriptions = data.get("subscriptions") or {"has_more": True}
    metadata = data.get("metadata") or {}
    return StripeCustomer(
        id=data["id"],
        deleted=bool(data.get("deleted")),
        user_id=metadata.get(MetadataKey.USER_ID) or "",
        old_user_id=metadata.get(MetadataKey.USER_ID.without_prefix) or "",
        default_payment_method_id=id_of(
            (data.get("invoice_settings") or {}).get("default_payment_method")
        ),
        subscriptions=None
        if subscriptions["has_more"]
        else tuple(read_subscription(each) for each in subscriptions["data"]),
    )


def read_payment_intent(data: dict[str, Any]) -> StripePaymentIntent:
    """Read a payment intent and why it was last refused, if one did."""
    failure = data.get("last_payment_error") or {}
    card = (failure.get("payment_method") or {}).get("card") or {}
    return StripePaymentIntent(
        id=data["id"],
        status=data["status"],
        client_secret=data.get("client_secret") or "",
        decline_code=failure.get("decline_code") or failure.get("code") or "",
        decline_message=failure.get("message") or "",
        fingerprint=card.get("fingerprint") or "",
    )


def decline_of(payment: StripePaymentIntent) -> CardDeclined:
    """Turn a payment that was refused into our refusal."""
    return CardDeclined(
        payment.decline_message or "Your card was declined.",
        decline_code=payment.decline_code or "generic_decline",
        fingerprint=payment.fingerprint,
    )


def kept_under(key: MetadataKey, data: dict[str, Any]) -> str:
    """Return what we keep in an object's metadata, also if a version before 0.9.0 wrote it.

    Only for values that no other application has: ids of ours, and words that are checked.
    """
    metadata = data.get("metadata") or {}
    return metadata.get(key) or metadata.get(key.without_prefix) or ""


def id_of(reference: Any) -> str:
    """Return the id of a reference that may be expanded, or an empty string."""
    if isinstance(reference, dict):
        return str(reference.get("id") or "")
    return reference or ""


def _decimal(number: str | float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def moment(seconds: int | None) -> datetime | None:
    """Turn Stripe's seconds since the epoch into an aware datetime."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
