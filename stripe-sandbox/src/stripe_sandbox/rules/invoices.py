"""Invoices: draft, totals, finalisation, payment, void."""

from collections.abc import Sequence
from decimal import Decimal

from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice, InvoiceItem, InvoiceLine, InvoicePayment
from stripe_sandbox.objects.payments import PaymentIntent
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.rules import customer_balance, discounts, invoice_lines, payments, taxes
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    INVOICE,
    INVOICE_ITEM,
    INVOICE_PAYMENT,
    PAYMENT_INTENT,
    SUBSCRIPTION,
)
from stripe_sandbox.storage.store import NOTHING, Work
from stripe_sandbox.webhooks.events import emit

# Stripe leaves a draft open for about an hour, so that webhooks can add to it.
FINALIZES_AFTER = 3600

_ZEROS = (
    "amount_due",
    "amount_overpaid",
    "amount_paid",
    "amount_remaining",
    "amount_shipping",
    "attempt_count",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
    "subtotal",
    "total",
)


def draft(
    work: Work,
    customer: Customer,
    values: Json,
    *,
    lines: Sequence[InvoiceLine] = (),
    items: Sequence[InvoiceItem] = (),
) -> Invoice:
    """Create a draft invoice with its totals.

    Pending invoice items come first, newest first; then the lines of subscription
    items. What is added to a draft later comes last (the SDK's `Invoice.lines`).

    Args:
        customer: The customer who pays.
        values: Fields of the invoice; `currency` and `billing_reason` at least.
        lines: The lines of subscription items.
        items: The pending invoice items that it bills.
    """
    invoice = work.create(INVOICE, _blank(work, customer, values))
    newest_first = sorted(items, key=lambda item: -item["date"])
    data = [*(invoice_lines.pending_line(work, item) for item in newest_first), *lines]
    invoice["lines"] = {
        "object": "list",
        "data": data,
        "has_more": False,
        "total_count": len(data),
        "url": f"/v1/invoices/{invoice['id']}/lines",
    }
    for item in items:
        item["invoice"] = invoice["id"]
        work.save(item)
    total(work, invoice)
    emit(work, "invoice.created", work.save(invoice))
    return invoice


def _blank(work: Work, customer: Customer, values: Json) -> Json:
    now = work.now(customer["test_clock"])
    return {
        **dict.fromkeys(_ZEROS, 0),
        "account_country": "US",
        "account_name": work.store.account_name,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {"enabled": False},
        "collection_method": "charge_automatically",
        "created": now,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": taxes.ids_of(work, customer),
        "default_tax_rates": [],
        "issuer": {"type": "self"},
        "lines": {},
        "metadata": {},
        "payment_settings": {},
        "period_end": now,
        "period_start": now,
        "starting_balance": customer_balance.balance_in(customer, values["currency"]),
        "status": "draft",
        "status_transitions": {},
        "test_clock": customer["test_clock"],
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
        **values,
    }


def total(work: Work, invoice: Invoice) -> None:
    """Add up a draft's lines, discounts and the customer's balance."""
    lines = invoice["lines"]["data"]
    for line in lines:
        line |= {"invoice": invoice["id"], "discount_amounts": [], "pretax_credit_amounts": []}
    invoice["lines"]["total_count"] = len(lines)
    taken = discounts.apply(work, lines, invoice["discounts"])
    taxes.apply(work, invoice)
    nets = [line["amount"] - _own_discounts(line) for line in lines]
    subtotal = sum(nets)
    added = taxes.sum_of(invoice["total_taxes"], "exclusive")
    due = sum(line["amount"] for line in lines) - sum(one["amount"] for one in taken) + added
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - sum(map(_tax_within, lines, nets)),
        "total": due,
        "total_discount_amounts": taken,
        "total_pretax_credit_amounts": [one | {"type": "discount"} for one in taken],
        "total_excluding_tax": due - taxes.sum_of(invoice["total_taxes"]),
    }
    invoice["amount_due"] = max(0, due + invoice["starting_balance"]) if due > 0 else 0
    invoice["amount_remaining"] = invoice["amount_due"]


def _own_discounts(line: InvoiceLine) -> int:
    """The discounts of a line itself, without its share of the invoice's."""
    own = (one for one in line["discount_amounts"] if one["discount"] in line["discounts"])
    return sum(one["amount"] for one in own)


def _tax_within(line: InvoiceLine, net: int) -> int:
    """The tax contained in a line before discounts of the whole invoice."""
    paid = line["amount"] - sum(one["amount"] for one in line["discount_amounts"])
    within = taxes.sum_of(line["taxes"], "inclusive")
    return discounts.rounded(Decimal(within) * net / paid) if paid else 0


def subscription_of(invoice: Invoice) -> str | None:
    """The subscription an invoice bills, if it bills one."""
    parent = invoice["parent"]
    details = parent["subscription_details"] if parent else None
    return details["subscription"] if details else None


def finalize(work: Work, invoice: Invoice) -> Invoice:
    """Give an invoice its number, apply the customer's balance, open it for payment.

    The caller marks an invoice of 0 as paid, since that also changes its subscription.
    """
    customer = work.get(CUSTOMER, invoice["customer"])
    if invoice["automatic_tax"]["enabled"]:
        _finish_automatic_tax(work, invoice, customer)
    now = work.now(invoice["test_clock"])
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    hosted = f"{work.public_url}/hosted/invoice/{invoice['id']}"
    invoice |= {
        "automatically_finalizes_at": None,
        "effective_at": now,
        "hosted_invoice_url": hosted,
        "invoice_pdf": f"{hosted}/pdf",
        "number": f"{customer['invoice_prefix']}-{sequence:04d}",
        "status": "open",
    }
    invoice["status_transitions"]["finalized_at"] = now
    customer_balance.apply_to(work, invoice, customer)
    work.unschedule(invoice, "invoice.finalize")
    work.save(customer)
    if invoice["amount_due"] > 0:
        open_payment(work, invoice, customer)
    if invoice["collection_method"] == "send_invoice" and invoice["due_date"] is not None:
        clock = invoice["test_clock"]
        work.schedule(invoice, "invoice.overdue", invoice["due_date"], clock=clock)
    emit(work, "invoice.finalized", work.save(invoice))
    return invoice


def _finish_automatic_tax(work: Work, invoice: Invoice, customer: Customer) -> None:
    """Calculate automatic tax by the customer's present address; without one it is disabled.

    Source: https://docs.stripe.com/tax/customer-locations#invoice-finalization-errors.
    """
    if taxes.location_of(customer) is None:
        reason = "finalization_requires_location_inputs"
        invoice["automatic_tax"] = {"enabled": False, "disabled_reason": reason}
        subscription = work.find(SUBSCRIPTION, subscription_of(invoice))
        if subscription:
            reason = "requires_location_inputs"
            subscription["automatic_tax"] = {"enabled": False, "disabled_reason": reason}
            work.save(subscription)
    invoice |= {
        "customer_address": customer["address"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": taxes.ids_of(work, customer),
    }
    total(work, work.save(invoice))


def open_payment(work: Work, invoice: Invoice, customer: Customer) -> PaymentIntent:
    """Create the payment intent that an open invoice is paid with."""
    billed = subscription_of(invoice)
    intent = payments.new_intent(
        work,
        {
            "amount": invoice["amount_due"],
            "currency": invoice["currency"],
            "customer": customer["id"],
            "description": _purpose(invoice),
            "setup_future_usage": "off_session" if billed else None,
            **({"payment_details": {"order_reference": invoice["id"][:25]}} if billed else {}),
        },
    )
    work.create(
        INVOICE_PAYMENT,
        {
            "amount_requested": invoice["amount_due"],
            "created": work.now(invoice["test_clock"]),
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
            "status": "open",
            "status_transitions": {},
        },
    )
    return intent


def _purpose(invoice: Invoice) -> str:
    return {
        "subscription_create": "Subscription creation",
        "subscription_update": "Subscription update",
        "subscription_cycle": "Subscription update",
    }.get(invoice["billing_reason"] or "", "Payment for Invoice")


def paid_with(work: Work, intent: PaymentIntent) -> Invoice | None:
    """The invoice that a payment intent pays, if it pays one."""
    found = work.newest(INVOICE_PAYMENT, {"payment.payment_intent": intent["id"]}, limit=1)
    return work.find(INVOICE, found[0]["invoice"]) if found else None


def payment_of(work: Work, invoice: Invoice) -> InvoicePayment | None:
    """The invoice payment through which an invoice is, or was, to be paid."""
    found = work.all(INVOICE_PAYMENT, {"invoice": invoice["id"]})
    return next((one for one in found if one["is_default"]), None)


def intent_of(work: Work, invoice: Invoice) -> PaymentIntent | None:
    """The payment intent of an open or paid invoice."""
    payment = payment_of(work, invoice)
    return work.find(PAYMENT_INTENT, payment["payment"]["payment_intent"]) if payment else None


def void(work: Work, invoice: Invoice) -> Invoice:
    """Void an invoice: cancel its payment, return the balance that it used."""
    now = work.now(invoice["test_clock"])
    invoice |= {"status": "void", "next_payment_attempt": None, "auto_advance": False}
    invoice["status_transitions"]["voided_at"] = now
    _cancel_payment(work, invoice, reason="void_invoice")
    customer_balance.return_from(work, invoice)
    work.unschedule(invoice, "invoice.finalize", "invoice.retry")
    emit(work, "invoice.voided", work.save(invoice))
    return invoice


def _cancel_payment(work: Work, invoice: Invoice, *, reason: str) -> None:
    payment, intent = payment_of(work, invoice), intent_of(work, invoice)
    if payment is None or intent is None or intent["status"] in {"succeeded", "canceled"}:
        return
    payments.cancel(work, intent, reason=reason)
    payment["status"] = "canceled"
    payment["status_transitions"]["canceled_at"] = work.now(invoice["test_clock"])
    work.save(payment)


def schedule_finalization(work: Work, invoice: Invoice) -> None:
    """Have a draft finalised in about an hour, as Stripe does."""
    at = invoice["created"] + FINALIZES_AFTER
    invoice["automatically_finalizes_at"] = at
    work.schedule(work.save(invoice), "invoice.finalize", at, clock=invoice["test_clock"])


def subscription_parent(subscription: Subscription) -> Json:
    """The `parent` of an invoice that bills a subscription."""
    return response_shapes.nested(
        "invoice",
        "Parent",
        {
            "type": "subscription_details",
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
        },
    )


def pending_items(
    work: Work, customer: Customer, subscription: str | None, *, currency: str | None
) -> list[InvoiceItem]:
    """Invoice items that wait for the next invoice of a customer or subscription, newest first.

    Args:
        customer: The customer who pays.
        subscription: The id of the subscription that is billed, if one is.
        currency: The invoice's currency; None for any.
    """
    found = work.all(INVOICE_ITEM, {"customer": customer["id"], "invoice": NOTHING})
    return [
        item
        for item in sorted(found, key=lambda item: -item["date"])
        if _waits_for(item) in {None, subscription} and currency in {None, item["currency"]}
    ]


def pending_for(work: Work, customer: Customer, subscription: Subscription) -> list[InvoiceItem]:
    """Invoice items that wait for a subscription's next invoice."""
    return pending_items(work, customer, subscription["id"], currency=subscription["currency"])


def _waits_for(item: InvoiceItem) -> str | None:
    details = (item["parent"] or {}).get("subscription_details")
    return details["subscription"] if details else None


def add_item(work: Work, invoice: Invoice, item: InvoiceItem) -> None:
    """Add an invoice item to a draft."""
    invoice["lines"]["data"].append(invoice_lines.pending_line(work, item))
    item["invoice"] = invoice["id"]
    work.save(item)
    total(work, invoice)
    work.save(invoice)
