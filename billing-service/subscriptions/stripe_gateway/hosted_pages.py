"""Stripe's own pages, so that no card data comes near this server."""

import time
from uuid import uuid4

from subscriptions.errors import PaymentGatewayRefused, PaymentUnderWay
from subscriptions.stripe_gateway.client import call
from subscriptions.stripe_gateway.objects import MetadataKey

# Stripe's minimum is thirty minutes by its own clock.
_OPEN_FOR_SECONDS = 31 * 60


def create_checkout_session(
    *,
    stripe_customer_id: str,
    price: str,
    user_id: str,
    success_url: str,
    cancel_url: str,
    key: str,
) -> tuple[str, str]:
    """Open a page on which a customer subscribes; return its session's id and its address.

    Args:
        user_id: Kept in the metadata of what the page makes.
        success_url: Where the page leads when all is done.
        cancel_url: Where it leads when the customer gives up.
    """
    data = call(
        "post",
        "/v1/checkout/sessions",
        params={
            "mode": "subscription",
            "ui_mode": "hosted_page",
            "customer": stripe_customer_id,
            "client_reference_id": user_id,
            "line_items": [{"price": price, "quantity": 1}],
            "subscription_data": {"metadata": {MetadataKey.USER_ID: user_id}},
            "success_url": success_url,
            "cancel_url": cancel_url,
            "expires_at": int(time.time()) + _OPEN_FOR_SECONDS,
        },
        key=key,
    )
    return data["id"], data["url"]


def close_checkout_session(session: str) -> bool:
    """See that no user subscribes on a page any more; return whether one already has.

    Args:
        session: `cs_…`.

    Raises:
        PaymentUnderWay: Stripe does not close the page, since a payment is being made on it.
    """
    try:
        call("post", "/v1/checkout/sessions/{}/expire", session, key=f"expire:{session}:{uuid4()}")
    except PaymentGatewayRefused:
        status = call("get", "/v1/checkout/sessions/{}", session)["status"]
        if status == "open":
            raise PaymentUnderWay from None
        return bool(status == "complete")
    return False


def create_portal_session(*, stripe_customer_id: str, return_url: str, key: str) -> str:
    """Open a page on which a customer manages cards and invoices; return its address.

    Args:
        return_url: Where the page leads back to.
    """
    data = call(
        "post",
        "/v1/billing_portal/sessions",
        params={"customer": stripe_customer_id, "return_url": return_url},
        key=key,
    )
    return str(data["url"])
