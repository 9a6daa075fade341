"""Invoice lines: a period of a subscription item, a pending item, a proration."""

from decimal import Decimal
from typing import cast

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.catalogue import Price, Recurring
from stripe_sandbox.objects.common import Json, Period
from stripe_sandbox.objects.invoices import InvoiceItem, InvoiceLine
from stripe_sandbox.objects.state import InvoiceItemState
from stripe_sandbox.objects.subscriptions import Subscription, SubscriptionItem
from stripe_sandbox.rules import discounts
from stripe_sandbox.rules.discounts import rounded
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.sdk.request_contract import LARGEST_AMOUNT
from stripe_sandbox.storage.kinds import PRICE, PRODUCT
from stripe_sandbox.storage.store import Work


def amount_of(price: Price, quantity: int, share: Decimal = Decimal(1)) -> int:
    """What a quantity costs, for the whole period or a share of it.

    Raises:
        InvalidRequest: It is more than Stripe charges at once.
    """
    grouped = Decimal(quantity)
    transform = price["transform_quantity"]
    if transform:
        groups, rest = divmod(quantity, transform["divide_by"])
        grouped = Decimal(groups + (1 if rest and transform["round"] == "up" else 0))
    amount = Decimal(price["unit_amount_decimal"]) * grouped * share
    if amount > LARGEST_AMOUNT:
        raise InvalidRequest(
            "Amount must be no more than $999,999.99", code="amount_too_large", param="quantity"
        )
    return rounded(amount)


def subscription_line(
    work: Work,
    subscription: Subscription,
    item: SubscriptionItem,
    *,
    share: Decimal = Decimal(1),
    free: bool = False,
) -> InvoiceLine:
    """The line for an item's current period.

    Args:
        subscription: The subscription of the item.
        item: The subscription item.
        share: The part of a whole period that its current period is.
        free: Whether the period is a trial.
    """
    price = work.get(PRICE, item["price"])
    product = work.find(PRODUCT, price["product"])
    name = product["name"] if product else price["product"]
    quantity = item["quantity"]
    unit = f" {product['unit_label']}" if product and product["unit_label"] else ""
    text = f"{quantity}{unit} × {name} (at {_rate(price)})"  # noqa: RUF001 -- the sign Stripe prints
    return new_line(
        work,
        pricing_of(price) | ({"unit_amount_decimal": "0"} if free else {}),
        amount=0 if free else amount_of(price, quantity, share),
        quantity=quantity,
        period={"start": item["current_period_start"], "end": item["current_period_end"]},
        description=f"Trial period for {name}" if free else text,
        parent={
            "type": "subscription_item_details",
            "subscription_item_details": {
                "proration": False,
                "proration_details": {},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
        },
        discounted=discounts.take(work, item["discounts"], work.now(subscription["test_clock"])),
        currency=price["currency"],
    )


def _rate(price: Price) -> str:
    recurring = recurring_of(price)
    count = recurring["interval_count"]
    every = recurring["interval"] if count == 1 else f"every {count} {recurring['interval']}s"
    return f"{money(price['unit_amount'] or 0, price['currency'])} / {every}"


def recurring_of(price: Price) -> Recurring:
    """The interval of a recurring price.

    Raises:
        LookupError: It is a one-time price.
    """
    if price["recurring"] is None:
        raise LookupError(f"{price['id']} is a one-time price")
    return price["recurring"]


def money(amount: int, currency: str) -> str:
    """An amount as it is printed, for currencies of two decimals."""
    sign = {"usd": "$", "eur": "€", "gbp": "£"}.get(currency, f"{currency.upper()} ")
    return f"{'-' if amount < 0 else ''}{sign}{abs(amount) / 100:.2f}"


def new_line(
    work: Work,
    pricing: Json | None,
    *,
    amount: int,
    quantity: int,
    period: Period,
    description: str | None,
    parent: Json,
    currency: str,
    metadata: Json | None = None,
    discountable: bool = True,
    discounted: list[str] | None = None,
) -> InvoiceLine:
    """A whole line item that is on no invoice yet."""
    line = response_shapes.new(
        "line_item",
        {
            "id": work.ids.new("il_"),
            "amount": amount,
            "currency": currency,
            "description": description,
            "discount_amounts": [],
            "discountable": discountable,
            "discounts": discounted or [],
            "livemode": work.live,
            "metadata": metadata or {},
            "parent": parent,
            "period": period,
            "pretax_credit_amounts": [],
            "pricing": pricing,
            "quantity": quantity,
            "quantity_decimal": str(quantity),
            "subtotal": amount,
            "taxes": [],
        },
    )
    return cast(InvoiceLine, line)


def pricing_of(price: Price) -> Json:
    """The `pricing` of a line or an invoice item that a price decides."""
    return {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def pending_line(work: Work, item: InvoiceItem) -> InvoiceLine:
    """The invoice line for a pending invoice item."""
    details = (item["parent"] or {}).get("subscription_details") or {}
    shared: Json = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": work.state(item, InvoiceItemState).credited},
        "subscription": details.get("subscription"),
    }
    if details.get("subscription_item"):
        parent = {
            "type": "subscription_item_details",
            "subscription_item_details": shared
            | {"subscription_item": details["subscription_item"]},
        }
    else:
        parent = {"type": "invoice_item_details", "invoice_item_details": shared}
    return new_line(
        work,
        item["pricing"],
        amount=item["amount"],
        quantity=item["quantity"],
        period=item["period"],
        description=item["description"],
        parent=parent,
        currency=item["currency"],
        metadata=item["metadata"],
        discountable=item["discountable"],
        discounted=item["discounts"],
    )
