"""Invoice items: amounts that wait for a customer's next invoice."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.rules import invoices, lines, prorating
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]


@handles("invoice_items.create")
def create(call: Call) -> Json:
    """An amount or a price for the next invoice, or for a draft that is named."""
    work, params = call.work, call.params
    if not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = work.referenced("customer", params["customer"], param="customer")
    item = prorating.pending_item(work, customer["id"], _values(work, customer, params))
    emit(work, "invoiceitem.created", item)
    if params.get("invoice"):
        _put_on(work, params["invoice"], item)
    return item


def _values(work: Work, customer: Json, params: Any) -> Json:
    now = work.now(customer["test_clock"])
    quantity = params.get("quantity", 1)
    price, currency = _price(work, params), (params.get("currency") or "").lower() or None
    if price:
        amount = lines.amount_of(price, quantity)
        if currency not in {None, price["currency"]}:
            raise InvalidRequest(f"The price's currency is {price['currency']}.", param="currency")
        currency = price["currency"]
    else:
        amount, currency = _amount(params), currency or customer["currency"] or "usd"
    subscription = params.get("subscription")
    if subscription:
        work.referenced("subscription", subscription, param="subscription")
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
        "pricing": lines.pricing_of(price) if price else None,
        "proration": False,
        "quantity": quantity,
        "test_clock": customer["test_clock"],
        **changes.given(params, "description"),
    }


def _price(work: Work, params: Any) -> Json | None:
    named = (params.get("pricing") or {}).get("price")
    return work.referenced("price", named, param="pricing[price]") if named else None


def _amount(params: Any) -> int:
    if "amount" not in params:
        raise InvalidRequest(
            "Missing required param: amount.", code="parameter_missing", param="amount"
        )
    return int(params["amount"])


def _put_on(work: Work, identifier: str, item: Json) -> None:
    invoice = work.referenced("invoice", identifier, param="invoice")
    if invoice["status"] != "draft":
        raise InvalidRequest(
            "Items can only be added to draft invoices.",
            code="invoice_not_editable",
            param="invoice",
        )
    if invoice["currency"] != item["currency"]:
        raise InvalidRequest(f"The invoice's currency is {invoice['currency']}.", param="currency")
    invoices.take_pending(work, invoice, [item])
    emit(work, "invoice.updated", work.save(invoice))


@handles("invoice_items.retrieve")
def retrieve(call: Call) -> Json:
    """One invoice item."""
    return call.work.get("invoiceitem", call.id, param="invoiceitem")


@handles("invoice_items.update")
def update(call: Call) -> Json:
    """Change an item that still waits."""
    item = _waiting(call)
    item |= changes.given(call.params, "amount", "description", "discountable", "period")
    item["net_amount"] = item["amount"]
    item["metadata"] = changes.metadata(item["metadata"], call.params)
    return call.work.save(item)


@handles("invoice_items.delete")
def delete(call: Call) -> Json:
    """Delete an item that still waits."""
    item = _waiting(call)
    emit(call.work, "invoiceitem.deleted", item)
    return call.work.delete(item)


def _waiting(call: Call) -> Json:
    item = call.work.get("invoiceitem", call.id, param="invoiceitem")
    if not item["_pending"]:
        raise InvalidRequest(
            "This invoice item is on an invoice and can no longer be changed.",
            code="invoice_not_editable",
        )
    return item


@handles("invoice_items.list")
def list_items(call: Call) -> Json:
    """Invoice items, newest first."""
    where = {name: call.params.get(name) for name in ("customer", "invoice")}
    where["_pending"] = call.params.get("pending")
    return page(call, "invoiceitem", where)
