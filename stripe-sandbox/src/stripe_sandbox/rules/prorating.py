"""Prorations: credit for unused time, debit for the time that remains.

Each is rounded by itself. What flexible billing does in its finest cases is
not published; credits here follow what the item's last line really cost, and
debits are net of the percentages that the subscription's discounts take off.
"""

from datetime import UTC, datetime
from decimal import Decimal

from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.invoices import Invoice, InvoiceItem, InvoiceLine
from stripe_sandbox.objects.state import DiscountState, InvoiceItemState
from stripe_sandbox.objects.subscriptions import Subscription, SubscriptionItem
from stripe_sandbox.rules import discounts, invoice_lines, subscription_creation, subscriptions
from stripe_sandbox.rules.discounts import rounded
from stripe_sandbox.storage.kinds import DISCOUNT, INVOICE, INVOICE_ITEM, PRICE, PRODUCT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

# Only in these has a period been billed that can be given back.
PRORATED = {"active", "past_due"}


def remaining(item: SubscriptionItem, moment: int) -> Decimal:
    """The part of an item's period that is left at a moment."""
    start, end = item["current_period_start"], item["current_period_end"]
    left = Decimal(max(0, end - max(moment, start)))
    return left / Decimal(end - start)


def credit(
    work: Work, subscription: Subscription, item: SubscriptionItem, moment: int
) -> InvoiceItem:
    """A pending item that credits the unused time of a subscription item."""
    price = work.get(PRICE, item["price"])
    share = remaining(item, moment) * subscription_creation.share_of(price, item)
    invoice, line = _billed(work, subscription, item)
    share *= _paid_share(line)
    amount = -rounded(invoice_lines.amount_of(price, item["quantity"]) * share)
    made = _pending(work, subscription, item, amount=amount, moment=moment, words="Unused time on")
    if invoice and line:
        credited = {"invoice": invoice["id"], "invoice_line_items": [line["id"]]}
        work.state(made, InvoiceItemState).credited = credited
    return made


def debit(
    work: Work, subscription: Subscription, item: SubscriptionItem, moment: int
) -> InvoiceItem:
    """A pending item that charges the remaining time of a subscription item."""
    price = work.get(PRICE, item["price"])
    share = remaining(item, moment) * subscription_creation.share_of(price, item)
    share *= _discounted_share(work, [*item["discounts"], *subscription["discounts"]], moment)
    amount = invoice_lines.amount_of(price, item["quantity"], share)
    return _pending(
        work, subscription, item, amount=amount, moment=moment, words="Remaining time on"
    )


def _billed(
    work: Work, subscription: Subscription, item: SubscriptionItem
) -> tuple[Invoice | None, InvoiceLine | None]:
    """The latest invoice line that an item was billed with, and its invoice."""
    where = {"parent.subscription_details.subscription": subscription["id"]}
    for invoice in work.newest(INVOICE, where):
        for line in invoice["lines"]["data"]:
            details = line["parent"].get("subscription_item_details") or {}
            if details.get("subscription_item") == item["id"] and line["amount"] > 0:
                return invoice, line
    return None, None


def _paid_share(line: InvoiceLine | None) -> Decimal:
    """The share of its list price that a line cost after discounts."""
    if line is None:
        return Decimal(1)
    taken = sum(one["amount"] for one in line["discount_amounts"])
    return 1 - Decimal(taken) / Decimal(line["amount"])


def _discounted_share(work: Work, identifiers: list[str], moment: int) -> Decimal:
    """The share of a price that is left after percentage discounts."""
    share = Decimal(1)
    for discount in (work.get(DISCOUNT, one) for one in identifiers):
        percent = work.state(discount, DiscountState).terms["percent_off"]
        if percent is not None and discounts.runs(work, discount, moment):
            share *= 1 - Decimal(str(percent)) / 100
    return share


def _pending(
    work: Work,
    subscription: Subscription,
    item: SubscriptionItem,
    *,
    amount: int,
    moment: int,
    words: str,
) -> InvoiceItem:
    price = work.get(PRICE, item["price"])
    product = work.find(PRODUCT, price["product"])
    name = product["name"] if product else price["product"]
    day = datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y")
    made = pending_item(
        work,
        subscription["customer"],
        {
            "amount": amount,
            "currency": subscription["currency"],
            "date": subscriptions.now(work, subscription),
            "description": f"{words} {name} after {day}",
            "discountable": False,
            "parent": {
                "type": "subscription_details",
                "subscription_details": {
                    "subscription": subscription["id"],
                    "subscription_item": item["id"],
                },
            },
            "period": {"start": moment, "end": item["current_period_end"]},
            # A share of a period has no price by the unit.
            "pricing": invoice_lines.pricing_of(price) | {"unit_amount_decimal": None},
            "proration": True,
            "proration_details": {"discount_amounts": []},
            "quantity": item["quantity"],
            "tax_rates": item["tax_rates"],
            "test_clock": subscription["test_clock"],
        },
    )
    emit(work, "invoiceitem.created", made)
    return made


def pending_item(work: Work, customer: str, values: Json) -> InvoiceItem:
    """An invoice item that waits for the customer's next invoice."""
    return work.create(
        INVOICE_ITEM,
        {
            "customer": customer,
            "discounts": [],
            "metadata": {},
            "net_amount": values["amount"],
            "quantity_decimal": str(values["quantity"]),
            "tax_rates": [],
            **values,
        },
    )
