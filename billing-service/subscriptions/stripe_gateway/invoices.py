"""Invoices at Stripe: listed, previewed, paid."""

from typing import Any, Literal

from subscriptions.stripe_gateway.client import call
from subscriptions.stripe_gateway.objects import StripeInvoice, read_invoice

ProrationBehavior = Literal["always_invoice", "create_prorations", "none"]
# The difference is invoiced and charged now, or goes on the next invoice, or is not made up.
CHARGE_NOW: ProrationBehavior = "always_invoice"
NEXT_INVOICE: ProrationBehavior = "create_prorations"
KEEP: ProrationBehavior = "none"


def fetch_invoices(
    stripe_customer_id: str, *, limit: int, after: str | None
) -> tuple[list[StripeInvoice], bool]:
    """Fetch one page of a customer's invoices, newest first, and whether there are more.

    Args:
        limit: At most so many.
        after: The id of the last invoice of the page before.

    Raises:
        StripeObjectNotFound: There is no such customer, or no such invoice to go on after.
    """
    page = call(
        "get",
        "/v1/invoices",
        params={
            "customer": stripe_customer_id,
            "limit": limit,
            **({"starting_after": after} if after else {}),
        },
    )
    return [read_invoice(each) for each in page["data"]], bool(page["has_more"])


def fetch_open_invoice(stripe_subscription_id: str) -> StripeInvoice | None:
    """Fetch the newest invoice of a subscription that waits to be paid, or None."""
    params = {"subscription": stripe_subscription_id, "status": "open", "limit": 1}
    found = call("get", "/v1/invoices", params=params)["data"]
    return read_invoice(found[0]) if found else None


def preview_change(
    *,
    stripe_customer_id: str,
    stripe_subscription_id: str,
    item_id: str,
    price: str,
    quantity: int | None,
    proration_behavior: ProrationBehavior,
    proration_date: int,
) -> StripeInvoice:
    """Compute the invoice that moving a subscription to another price would lead to.

    Args:
        item_id: The item that carries the old price.
        price: The new price.
        quantity: As for `change_price`.
        proration_behavior: As it would be passed to `change_price`; with `none`, the next regular
            invoice at the new price.
        proration_date: The same.
    """
    data = call(
        "post",
        "/v1/invoices/create_preview",
        params={
            "customer": stripe_customer_id,
            "subscription": stripe_subscription_id,
            "subscription_details": {
                "items": [moved_item(item_id, price=price, quantity=quantity)],
                "proration_behavior": proration_behavior,
                **({"proration_date": proration_date} if proration_behavior != KEEP else {}),
            },
        },
    )
    return read_invoice(data)


def moved_item(item_id: str, *, price: str, quantity: int | None) -> dict[str, Any]:
    """Describe an item that gets another price and is otherwise left alone."""
    kept = {} if quantity is None else {"quantity": quantity}
    return {"id": item_id, "price": price, **kept}


def void_invoice(invoice: str, *, key: str) -> None:
    """Let an open invoice count for nothing; a change that waits for it is forgotten.

    Raises:
        PaymentGatewayRefused: The invoice is no longer open.
    """
    call("post", "/v1/invoices/{}/void", invoice, key=key)


def pay_invoice(invoice: str, *, payment_method: str, key: str) -> StripeInvoice:
    """Try once more to collect an open invoice.

    Args:
        payment_method: `pm_…`, attached to the customer.

    Raises:
        CardDeclined: It was refused again.
        PaymentGatewayRefused: The invoice is no longer open.
    """
    data = call(
        "post", "/v1/invoices/{}/pay", invoice, params={"payment_method": payment_method}, key=key
    )
    return read_invoice(data)
