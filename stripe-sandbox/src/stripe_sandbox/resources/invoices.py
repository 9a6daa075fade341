"""Invoices and their payments."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import list_object, page, slice_page
from stripe_sandbox.api.registry import Call, handles, includes, presents, retrieves
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice
from stripe_sandbox.objects.payments import PaymentMethod
from stripe_sandbox.resources import searching, tax_rates
from stripe_sandbox.rules import (
    discounts,
    invoice_collection,
    invoices,
    payment_methods,
    payments,
    renewals,
    subscription_creation,
    subscriptions,
    taxes,
)
from stripe_sandbox.storage.kinds import CUSTOMER, INVOICE, INVOICE_PAYMENT, SUBSCRIPTION
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


@includes("invoice", "payments")
def payments_of(work: Work, invoice: Invoice) -> Json:
    """The invoice's payments, shown when a caller expands them."""
    found = [present(work, one) for one in work.all(INVOICE_PAYMENT, {"invoice": invoice["id"]})]
    return list_object(found, url="/v1/invoices/payments")


@includes("invoice", "confirmation_secret")
def secret_of(work: Work, invoice: Invoice) -> Json | None:
    """The secret to confirm the invoice's payment with, shown when a caller expands it."""
    return invoice_collection.confirmation_secret(work, work.get(INVOICE, invoice["id"]))


@handles("invoices.create")
def create(call: Call) -> Thing:
    """Create a draft, with the customer's pending invoice items if they are to be included."""
    work, params = call.work, call.params
    if not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = work.referenced(CUSTOMER, params["customer"], param="customer")
    currency = (params.get("currency") or customer["currency"] or "usd").lower()
    subscription = params.get("subscription")
    parent = None
    if subscription:
        billed = work.referenced(SUBSCRIPTION, subscription, param="subscription")
        parent = invoices.subscription_parent(billed)
        currency = billed["currency"]
    wanted = params.get("pending_invoice_items_behavior", "exclude")
    items = []
    if subscription or wanted == "include":
        items = invoices.pending_items(work, customer, subscription, currency=currency)
    amount = sum(item["amount"] for item in items)
    owner = discounts.Owner(customer["id"], currency, customer["test_clock"], amount)
    values = {**_values(work, customer, params, owner), "parent": parent}
    if subscription:
        billed_items = billed["items"]["data"]
        values["period_start"] = min(item["current_period_start"] for item in billed_items)
    invoice = invoices.draft(work, customer, values, items=items)
    if invoice["auto_advance"]:
        invoices.schedule_finalization(work, invoice)
    return work.save(invoice)


def _values(work: Work, customer: Customer, params: Any, owner: discounts.Owner) -> Json:
    days = params.get("days_until_due")
    method = params.get("default_payment_method")
    if method:
        payment_methods.owned(work, method, customer, param="default_payment_method")
    moment = work.now(customer["test_clock"])
    return {
        "automatic_tax": taxes.automatic(enabled=taxes.wanted(params)),
        "auto_advance": params.get("auto_advance", False),
        "billing_reason": "manual",
        "collection_method": params.get("collection_method", "charge_automatically"),
        "currency": owner.currency,
        "default_payment_method": method,
        "default_tax_rates": taxes.chosen(
            work, params.get("default_tax_rates"), param="default_tax_rates"
        ),
        "discounts": discounts.redeem(work, params.get("discounts") or [], owner),
        "due_date": params.get("due_date") or (moment + days * 86400 if days else None),
        "metadata": changes.metadata({}, params),
        **changes.given(params, "custom_fields", "description", "footer", "statement_descriptor"),
    }


retrieves("invoices.retrieve", INVOICE)


@handles("invoices.update")
def update(call: Call) -> Thing:
    """Change a draft, or the few fields of a finalised invoice that can change."""
    work, params = call.work, call.params
    invoice = work.get(INVOICE, call.id)
    frozen = set(params) - {"metadata", "auto_advance", "default_payment_method", "expand"}
    if invoice["status"] != "draft" and frozen:
        raise InvalidRequest(
            "Finalized invoices can't be updated in this way.",
            code="invoice_not_editable",
            param=sorted(frozen)[0],
        )
    customer = work.get(CUSTOMER, invoice["customer"])
    if params.get("default_payment_method"):
        payment_methods.owned(
            work, params["default_payment_method"], customer, param="default_payment_method"
        )
    names = ("default_payment_method", "description", "footer", "custom_fields", "due_date")
    changes.apply(invoice, params, *names, "statement_descriptor", "collection_method")
    if "discounts" in params:
        owner = discounts.Owner(
            customer["id"],
            invoice["currency"],
            customer["test_clock"],
            invoice["subtotal"],
            invoice=invoice["id"],
        )
        invoice["discounts"] = discounts.redeem(work, params["discounts"] or [], owner)
    if "default_tax_rates" in params:
        invoice["default_tax_rates"] = taxes.chosen(
            work, params["default_tax_rates"], param="default_tax_rates"
        )
    if params.get("automatic_tax"):
        invoice["automatic_tax"] = taxes.automatic(enabled=taxes.wanted(params))
    if invoice["status"] == "draft":
        invoices.total(work, work.save(invoice))
    if "auto_advance" in params:
        _auto_advance(work, invoice, wanted=params["auto_advance"])
    emit(work, "invoice.updated", work.save(invoice))
    return invoice


def _auto_advance(work: Work, invoice: Invoice, *, wanted: bool) -> None:
    invoice["auto_advance"] = wanted
    if wanted and invoice["status"] == "draft":
        invoices.schedule_finalization(work, invoice)
    if not wanted:
        invoice["automatically_finalizes_at"] = None
        work.unschedule(invoice, "invoice.finalize")


@handles("invoices.delete")
def delete(call: Call) -> Thing:
    """Delete a draft that no subscription created."""
    invoice = call.work.get(INVOICE, call.id)
    if invoice["status"] != "draft" or invoices.subscription_of(invoice):
        raise InvalidRequest(
            "You can only delete draft invoices that were not created by a subscription.",
            code="invoice_not_editable",
        )
    emit(call.work, "invoice.deleted", invoice)
    return call.work.delete(invoice)


@handles("invoices.list")
def list_invoices(call: Call) -> Thing:
    """Invoices, newest first."""
    names = ("customer", "status", "collection_method")
    where = {name: call.params.get(name) for name in names}
    where["parent.subscription_details.subscription"] = call.params.get("subscription")
    return page(call, INVOICE, where)


@handles("invoices.search")
def search(call: Call) -> Thing:
    """Invoices by customer, number, status, currency, total or metadata."""
    return searching.search(call, INVOICE)


@handles("invoices.line_items.list")
def list_lines(call: Call) -> Thing:
    """The lines of an invoice."""
    invoice = call.work.get(INVOICE, call.id)
    return slice_page(call, invoice["lines"]["data"], "line item")


@presents("invoice")
def shown(work: Work, invoice: Json) -> Json:
    """An invoice shows its default tax rates whole."""
    return invoice | {"default_tax_rates": tax_rates.shown(work, invoice["default_tax_rates"])}


def _finalize(work: Work, invoice: Invoice) -> None:
    """Finalise a draft for a caller, who hears of an address that is missing."""
    if invoice["automatic_tax"]["enabled"]:
        taxes.require_location(work.get(CUSTOMER, invoice["customer"]))
    invoices.finalize(work, invoice)


@handles("invoices.finalize_invoice")
def finalize(call: Call) -> Thing:
    """Finalise a draft; an invoice of 0 is paid at once."""
    work = call.work
    invoice = work.get(INVOICE, call.id)
    if invoice["status"] != "draft":
        raise InvalidRequest(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    if "auto_advance" in call.params:
        invoice["auto_advance"] = call.params["auto_advance"]
    _finalize(work, invoice)
    if invoice["amount_due"] == 0:
        invoice_collection.paid(work, invoice, 0)
    elif invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        # Collected an hour later at the latest; a sandbox need not wait.
        work.schedule(
            invoice,
            "invoice.retry",
            work.now(invoice["test_clock"]) + 3600,
            clock=invoice["test_clock"],
        )
    return invoice


@handles("invoices.pay")
def pay(call: Call) -> Thing:
    """Pay an open invoice now; if the payment fails it stays open."""
    work, params = call.work, call.params
    named, off_session = params.get("payment_method"), bool(params.get("off_session", True))
    invoice = work.get(INVOICE, call.id)
    if invoice["status"] == "draft":
        _finalize(work, invoice)
    if invoice["status"] in {"paid", "void"}:
        raise InvalidRequest(
            f"Invoice is already {'paid' if invoice['status'] == 'paid' else 'void'}",
            code="invoice_already_paid" if invoice["status"] == "paid" else None,
        )
    if params.get("paid_out_of_band"):
        return invoice_collection.paid(work, invoice, 0, out_of_band=True)
    if invoice["amount_due"] == 0:
        return invoice_collection.paid(work, invoice, 0)
    method = _method_for(work, invoice, named)
    invoice_collection.pay(work, invoice, method, off_session=off_session)
    return _paid_or_refused(work, invoice)


def _method_for(work: Work, invoice: Invoice, named: str | None) -> PaymentMethod:
    if named:
        customer = work.get(CUSTOMER, invoice["customer"])
        return payment_methods.owned(work, named, customer, param="payment_method")
    method = invoice_collection.default_method(work, invoice)
    if method is None:
        raise InvalidRequest(invoice_collection.NO_METHOD, code="resource_missing")
    return method


def _paid_or_refused(work: Work, invoice: Invoice) -> Invoice:
    intent = invoices.intent_of(work, invoice)
    if intent is None or intent["status"] == "succeeded":
        return invoice
    if intent["status"] == "requires_action":
        raise subscription_creation.requires_action(work, intent, "invoice")
    raise payments.declined(work, intent)


@handles("invoices.void_invoice")
def void(call: Call) -> Thing:
    """Void an open or uncollectible invoice."""
    invoice = call.work.get(INVOICE, call.id)
    if invoice["status"] not in {"open", "uncollectible"}:
        raise InvalidRequest(
            f"You can only void invoices that are open or uncollectible; "
            f"this one is {invoice['status']}.",
            code="status_transition_invalid",
        )
    renewals.cancel_update_of(call.work, invoices.void(call.work, invoice))
    subscription = call.work.find(SUBSCRIPTION, invoices.subscription_of(invoice))
    if subscription and subscription["status"] == "incomplete":
        # Without its first invoice it can never be paid.
        subscriptions.expire(call.work, subscription)
    _follow_newest_invoice(call.work, invoice)
    return invoice


@handles("invoices.mark_uncollectible")
def mark_uncollectible(call: Call) -> Thing:
    """Mark an open invoice as uncollectible."""
    invoice = call.work.get(INVOICE, call.id)
    if invoice["status"] != "open":
        raise InvalidRequest(
            f"You can only mark open invoices as uncollectible; this one is {invoice['status']}.",
            code="status_transition_invalid",
        )
    renewals.mark_uncollectible(call.work, invoice)
    _follow_newest_invoice(call.work, invoice)
    return invoice


def _follow_newest_invoice(work: Work, invoice: Invoice) -> None:
    """Let a subscription continue when the invoice that held it up is void or uncollectible."""
    subscription = work.find(SUBSCRIPTION, invoices.subscription_of(invoice))
    if subscription:
        subscriptions.follow_newest_invoice(work, subscription)


@handles("invoices.send_invoice")
def send(call: Call) -> Thing:
    """Send an invoice: only the event is sent, no e-mail."""
    invoice = call.work.get(INVOICE, call.id)
    if invoice["status"] == "draft":
        _finalize(call.work, invoice)
    emit(call.work, "invoice.sent", invoice)
    return invoice


@handles("invoice_payments.list")
def list_payments(call: Call) -> Thing:
    """Payments of invoices, newest first."""
    payment = changes.only(
        call.params.get("payment") or {}, "payment_intent", "type", path="payment"
    )
    if payment.get("type", "payment_intent") != "payment_intent":
        raise NotCovered("payment records", param="payment[type]")
    where = {name: call.params.get(name) for name in ("invoice", "status")}
    where["payment.payment_intent"] = payment.get("payment_intent")
    return page(call, INVOICE_PAYMENT, where)


retrieves("invoice_payments.retrieve", INVOICE_PAYMENT)
