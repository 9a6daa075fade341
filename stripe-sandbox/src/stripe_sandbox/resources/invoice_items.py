"""Invoice items: amounts for a customer's next invoice."""

from decimal import Decimal
from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, presents, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import InvoiceItem
from stripe_sandbox.resources import prices, tax_rates
from stripe_sandbox.resources.subscription_terms import inline_price
from stripe_sandbox.rules import discounts, invoice_lines, invoices, prorating, taxes
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    INVOICE,
    INVOICE_ITEM,
    PRICE,
    SUBSCRIPTION,
)
from stripe_sandbox.storage.store import NOTHING, Except, Work
from stripe_sandbox.webhooks.events import emit


@handles("invoice_items.create")
def create(call: Call) -> Thing:
    """An amount or a price for the next invoice, or for a draft that is named."""
    work, params = call.work, call.params
    if not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = work.referenced(CUSTOMER, params["customer"], param="customer")
    item = prorating.pending_item(work, customer["id"], _values(work, customer, params))
    _redeem(work, customer, item, params)
    emit(work, "invoiceitem.created", item)
    if params.get("invoice"):
        _add_to_draft(work, params["invoice"], item)
    return item


def _values(work: Work, customer: Customer, params: Any) -> Json:
    now = work.now(customer["test_clock"])
    quantity = params.get("quantity", 1)
    price, currency = _price(work, params), (params.get("currency") or "").lower() or None
    if price:
        amount = invoice_lines.amount_of(price, quantity)
        if currency not in {None, price["currency"]}:
            raise InvalidRequest(f"The price's currency is {price['currency']}.", param="currency")
        currency = price["currency"]
    else:
        currency = currency or customer["currency"] or "usd"
        amount, unit = _amount(params, quantity)
        price = prices.hidden(work, unit, currency, params.get("description"))
    subscription = params.get("subscription")
    if subscription:
        work.referenced(SUBSCRIPTION, subscription, param="subscription")
    parent = {
        "type": "subscription_details",
        "subscription_details": {"subscription": subscription},
    }
    return {
        "amount": amount,
        "currency": currency,
        "date": now,
        "discountable": params.get("discountable", True),
        "metadata": changes.metadata({}, params),
        "parent": parent if subscription else None,
        "period": params.get("period") or {"start": now, "end": now},
        "pricing": invoice_lines.pricing_of(price),
        "proration": False,
        "quantity": quantity,
        "tax_rates": taxes.chosen(work, params.get("tax_rates"), param="tax_rates"),
        "test_clock": customer["test_clock"],
        **changes.given(params, "description"),
    }


def _redeem(work: Work, customer: Customer, item: InvoiceItem, params: Any) -> None:
    if params.get("discounts") is None:
        return
    owner = discounts.Owner(
        customer["id"],
        item["currency"],
        customer["test_clock"],
        item["amount"],
        invoice_item=item["id"],
    )
    item["discounts"] = discounts.redeem(work, params["discounts"] or [], owner)
    work.save(item)


@presents("invoiceitem")
def shown(work: Work, item: Json) -> Json:
    """An invoice item shows its tax rates whole."""
    return item | {"tax_rates": tax_rates.shown(work, item["tax_rates"])}


def _price(work: Work, params: Any) -> Price | None:
    if params.get("price_data"):
        return inline_price(work, params["price_data"], "price_data")
    named = (params.get("pricing") or {}).get("price")
    return work.referenced(PRICE, named, param="pricing[price]") if named else None


def _amount(params: Any, quantity: int) -> tuple[int, str]:
    """What an item without a price costs, and what one unit of it does."""
    if params.get("unit_amount_decimal"):
        unit = str(params["unit_amount_decimal"])
        return discounts.rounded(Decimal(unit) * quantity), unit
    if "amount" not in params:
        raise InvalidRequest(
            "Missing required param: amount.", code="parameter_missing", param="amount"
        )
    return int(params["amount"]), str(params["amount"])


def _add_to_draft(work: Work, identifier: str, item: InvoiceItem) -> None:
    invoice = work.referenced(INVOICE, identifier, param="invoice")
    if invoice["status"] != "draft":
        raise InvalidRequest(
            "Items can only be added to draft invoices.",
            code="invoice_not_editable",
            param="invoice",
        )
    if invoice["currency"] != item["currency"]:
        raise InvalidRequest(f"The invoice's currency is {invoice['currency']}.", param="currency")
    invoices.add_item(work, invoice, item)
    emit(work, "invoice.updated", work.save(invoice))


retrieves("invoice_items.retrieve", INVOICE_ITEM, param="invoiceitem")


@handles("invoice_items.update")
def update(call: Call) -> Thing:
    """Change an item that is on no invoice yet."""
    item = _pending(call)
    changes.apply(item, call.params, "amount", "description", "discountable", "period")
    item["net_amount"] = item["amount"]
    if "tax_rates" in call.params:
        rates = call.params["tax_rates"]
        item["tax_rates"] = taxes.chosen(call.work, rates, param="tax_rates")
    _redeem(call.work, call.work.get(CUSTOMER, item["customer"]), item, call.params)
    return call.work.save(item)


@handles("invoice_items.delete")
def delete(call: Call) -> Thing:
    """Delete an item that is on no invoice yet."""
    item = _pending(call)
    emit(call.work, "invoiceitem.deleted", item)
    return call.work.delete(item)


def _pending(call: Call) -> InvoiceItem:
    item = call.work.get(INVOICE_ITEM, call.id, param="invoiceitem")
    if item["invoice"]:
        raise InvalidRequest(
            "This invoice item is on an invoice and can no longer be changed.",
            code="invoice_not_editable",
        )
    return item


@handles("invoice_items.list")
def list_items(call: Call) -> Thing:
    """Invoice items, newest first."""
    where = {name: call.params.get(name) for name in ("customer", "invoice")}
    pending = call.params.get("pending")
    if pending is not None and not where["invoice"]:
        where["invoice"] = NOTHING if pending else Except(NOTHING)
    return page(call, INVOICE_ITEM, where)
