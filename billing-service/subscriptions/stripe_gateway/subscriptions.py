"""Subscriptions and payment intents at Stripe."""

import contextlib
from dataclasses import replace
from typing import Any

from subscriptions.errors import PermissionMissing
from subscriptions.statuses import ENDED, OVERDUE
from subscriptions.stripe_gateway.client import call, pages
from subscriptions.stripe_gateway.customers import the_customer_exists
from subscriptions.stripe_gateway.invoices import (
    CHARGE_NOW,
    ProrationBehavior,
    fetch_open_invoice,
    moved_item,
)
from subscriptions.stripe_gateway.objects import (
    NO_PAYMENT,
    MetadataKey,
    StripePaymentIntent,
    StripeSubscription,
    read_payment_intent,
    read_subscription,
)

_EXPAND = ["latest_invoice.confirmation_secret", "latest_invoice.payments"]


def create_subscription(
    *,
    stripe_customer_id: str,
    price: str,
    payment_method: str,
    metadata: dict[str, str],
    key: str,
) -> StripeSubscription:
    """Start a subscription and try to pay its first invoice.

    A declined payment, or one that waits for 3-D Secure, leaves it `incomplete`
    (`payment_behavior=allow_incomplete`), so its status always says the outcome.

    Args:
        payment_method: `pm_…`, attached to the customer; empty if nothing is due.
        metadata: What to keep at the subscription, so that it can be traced back to an attempt.

    Raises:
        StripeObjectNotFound: The price or the payment method does not exist.
        CustomerDeletedAtStripe, CustomerNotVisible: There is no such customer.
    """
    with the_customer_exists(stripe_customer_id):
        data = call(
            "post",
            "/v1/subscriptions",
            params={
                "customer": stripe_customer_id,
                "items": [{"price": price}],
                **({"default_payment_method": payment_method} if payment_method else {}),
                "payment_behavior": "allow_incomplete",
                "metadata": metadata,
                "expand": _EXPAND,
            },
            key=key,
        )
    return read_subscription(data)


def fetch_subscription(stripe_subscription_id: str) -> StripeSubscription:
    """Fetch one subscription with its latest invoice.

    Raises:
        StripeObjectNotFound: Stripe does not know it.
    """
    data = call("get", "/v1/subscriptions/{}", stripe_subscription_id, params={"expand": _EXPAND})
    return read_subscription(data)


def fetch_subscriptions_of(stripe_customer_id: str) -> list[StripeSubscription]:
    """Fetch all subscriptions a customer ever had, ended ones included.

    Raises:
        CustomerDeletedAtStripe, CustomerNotVisible: There is no such customer.
    """
    params = {
        "customer": stripe_customer_id,
        "status": "all",
        "expand": ["data.latest_invoice"],
    }
    with the_customer_exists(stripe_customer_id):
        found = [each for page in pages("/v1/subscriptions", params=params) for each in page]
    return [
        _with_open_invoice(read_subscription(_with_coupons(_with_all_items(each))))
        for each in found
    ]


def _with_all_items(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"items": {"data": _items_of(data["id"])}} if data["items"]["has_more"] else data


def _with_coupons(data: dict[str, Any]) -> dict[str, Any]:
    """Show the coupons behind discounts, if there are any and our key may read them.

    Only the estimate of revenue needs them.
    """
    items, path = data["items"]["data"], "/v1/subscriptions/{}"
    if data["status"] in ENDED:
        return data
    with contextlib.suppress(PermissionMissing):
        if any(item.get("discounts") for item in items):
            # One level less than from the subscription, which would be too deep.
            items = _items_of(data["id"], expand=["data.discounts.source.coupon"])
            data = data | {"items": {"data": items}}
        if data.get("discounts"):
            params = {"expand": ["discounts.source.coupon"]}
            data = data | {"discounts": call("get", path, data["id"], params=params)["discounts"]}
    return data


def _items_of(stripe_subscription_id: str, **params: Any) -> list[dict[str, Any]]:
    params["subscription"] = stripe_subscription_id
    return [each for page in pages("/v1/subscription_items", params=params) for each in page]


def _with_open_invoice(found: StripeSubscription) -> StripeSubscription:
    """Show the invoice that is to be paid where a newer one is in the way, such as a draft."""
    latest = found.latest_invoice
    if found.status not in OVERDUE or latest is None or latest.status == "open":
        return found
    return replace(found, latest_invoice=fetch_open_invoice(found.id) or latest)


def cancel_subscription(stripe_subscription_id: str) -> StripeSubscription:
    """End a subscription now; it needs no idempotency key, a second cancel is refused.

    Raises:
        StripeObjectNotFound: It does not exist, or has ended already.
    """
    data = call(
        "delete", "/v1/subscriptions/{}", stripe_subscription_id, params={"expand": _EXPAND}
    )
    return read_subscription(data)


def end_with_period(stripe_subscription_id: str, *, key: str) -> None:
    """Let a subscription end with its paid period."""
    params = {"cancel_at_period_end": True}
    call("post", "/v1/subscriptions/{}", stripe_subscription_id, params=params, key=key)


def withdraw_end(stripe_subscription_id: str, *, with_period: bool, key: str) -> None:
    """Let a subscription go on that was to end.

    Stripe has two fields for it and refuses a request that sets both.

    Args:
        with_period: Whether `cancel_at_period_end` is set; otherwise `cancel_at` alone is.
    """
    params = {"cancel_at_period_end": False} if with_period else {"cancel_at": ""}
    call("post", "/v1/subscriptions/{}", stripe_subscription_id, params=params, key=key)


def resume(stripe_subscription_id: str, *, key: str) -> StripeSubscription:
    """Begin a new period of a paused subscription; it stays paused until its invoice is paid.

    Args:
        stripe_subscription_id: `sub_…`.
        key: Idempotency key.

    Raises:
        PaymentGatewayRefused: It is not paused any more.
    """
    data = call(
        "post",
        "/v1/subscriptions/{}/resume",
        stripe_subscription_id,
        params={"payment_behavior": "resume_on_payment_success", "expand": _EXPAND},
        key=key,
    )
    return read_subscription(data)


def pause_collection(stripe_subscription_id: str, *, dispute: str, key: str) -> None:
    """Let a subscription go on without collecting anything: its invoices are voided.

    Args:
        stripe_subscription_id: `sub_…`.
        dispute: For which it is paused; kept in the subscription's metadata.
        key: Idempotency key.
    """
    params = {
        "pause_collection": {"behavior": "void"},
        "metadata": {MetadataKey.PAUSED_FOR: dispute},
    }
    call("post", "/v1/subscriptions/{}", stripe_subscription_id, params=params, key=key)


def collect_again(stripe_subscription_id: str, *, key: str) -> None:
    """Collect invoices from the next one on.

    Args:
        stripe_subscription_id: `sub_…`.
        key: Idempotency key.
    """
    params = {"pause_collection": "", "metadata": {MetadataKey.PAUSED_FOR: ""}}
    call("post", "/v1/subscriptions/{}", stripe_subscription_id, params=params, key=key)


def change_price(
    stripe_subscription_id: str,
    *,
    item_id: str,
    price: str,
    quantity: int | None,
    proration_behavior: ProrationBehavior,
    proration_date: int,
    key: str,
) -> StripeSubscription:
    """Move a subscription to another price, prorated to the second.

    If the difference is charged now, the subscription stays as it was until it is paid, and the
    answer has the price that waits (`pending_if_incomplete`); Stripe forgets it within a day.

    Args:
        item_id: The item that carries the old price.
        price: The new price.
        quantity: As it is; Stripe sets it to 1 if it is left out. None where usage is metered.
        proration_behavior: What becomes of the difference.
        proration_date: The moment of the change, in seconds since the epoch.
    """
    charges = proration_behavior == CHARGE_NOW
    data = call(
        "post",
        "/v1/subscriptions/{}",
        stripe_subscription_id,
        params={
            "items": [moved_item(item_id, price=price, quantity=quantity)],
            "proration_behavior": proration_behavior,
            "proration_date": proration_date,
            "payment_behavior": "pending_if_incomplete" if charges else "error_if_incomplete",
            "expand": _EXPAND,
        },
        key=key,
    )
    return read_subscription(data)


def use_payment_method(
    stripe_subscription_id: str, *, payment_method: str, key: str
) -> StripeSubscription:
    """Pay a subscription's invoices with another payment method from now on.

    Args:
        payment_method: `pm_…`, attached to its customer.
    """
    data = call(
        "post",
        "/v1/subscriptions/{}",
        stripe_subscription_id,
        params={"default_payment_method": payment_method, "expand": _EXPAND},
        key=key,
    )
    return read_subscription(data)


def fetch_payment_of_latest_invoice(stripe_subscription_id: str) -> StripePaymentIntent:
    """Fetch how far the payment of a subscription's latest invoice is, and its client secret.

    The reason of a refusal stays readable after the invoice was voided.
    """
    invoice = fetch_subscription(stripe_subscription_id).latest_invoice
    if invoice is None or not invoice.payment_intent_id:
        return NO_PAYMENT
    return fetch_payment_intent(invoice.payment_intent_id)


def fetch_payment_intent(payment_intent_id: str) -> StripePaymentIntent:
    """Fetch how far a payment is, and its client secret.

    Raises:
        StripeObjectNotFound: Stripe does not know it.
    """
    return read_payment_intent(call("get", "/v1/payment_intents/{}", payment_intent_id))
