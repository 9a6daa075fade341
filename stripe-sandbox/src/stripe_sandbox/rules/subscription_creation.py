"""Creates subscriptions: items, first period, first invoice, first payment."""

from decimal import Decimal
from typing import cast

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import CardError, InvalidRequest
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json, Period
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice, InvoiceLine
from stripe_sandbox.objects.payments import PaymentIntent, PaymentMethod
from stripe_sandbox.objects.subscriptions import Subscription, SubscriptionItem
from stripe_sandbox.rules import (
    discounts,
    invoice_collection,
    invoice_lines,
    invoices,
    payments,
    periods,
    setups,
    subscriptions,
    taxes,
)
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import PRICE
from stripe_sandbox.storage.store import Work


def new_item(
    work: Work, subscription: Subscription, price: Price, wanted: Json, *, created: int
) -> SubscriptionItem:
    """A subscription item in its current period.

    Args:
        subscription: Its subscription; a trial is the item's period.
        price: What is sold.
        wanted: `quantity`, `metadata`, `tax_rates` and `discounts`, if they are given.
        created: When the item is added, which is when its period starts at the earliest.
    """
    if subscription["status"] == "trialing" and subscription["trial_end"] is not None:
        period = Period(start=created, end=subscription["trial_end"])
    else:
        period = period_of(price, subscription["billing_cycle_anchor"], created)
    item = response_shapes.new(
        "subscription_item",
        {
            "id": work.ids.new("si_"),
            "created": created,
            "current_period_start": period["start"],
            "current_period_end": period["end"],
            "metadata": wanted.get("metadata") or {},
            "plan": price["id"],
            "price": price["id"],
            "quantity": wanted.get("quantity", 1),
            "subscription": subscription["id"],
            "tax_rates": taxes.chosen(work, wanted.get("tax_rates"), param="items[tax_rates]"),
        },
    )
    made = cast(SubscriptionItem, item)
    made["discounts"] = item_discounts(work, subscription, made, wanted)
    return made


def item_discounts(
    work: Work, subscription: Subscription, item: SubscriptionItem, wanted: Json
) -> list[str]:
    """The ids of an item's discounts after a request."""
    if wanted.get("discounts") is None:
        return item["discounts"]
    owner = discounts.Owner(
        subscription["customer"],
        subscription["currency"],
        subscription["test_clock"],
        invoice_lines.amount_of(work.get(PRICE, item["price"]), item["quantity"]),
        subscription_item=item["id"],
    )
    return discounts.redeem(work, wanted["discounts"] or [], owner, param="items[discounts]")


def amount_of_items(work: Work, subscription: Subscription) -> int:
    """What the items of a subscription cost in a whole period each, before discounts."""
    return sum(
        invoice_lines.amount_of(work.get(PRICE, item["price"]), item["quantity"])
        for item in subscription["items"]["data"]
    )


def period_of(price: Price, anchor: int, moment: int) -> Period:
    """The period of a price that contains a moment; before the anchor it ends there."""
    recurring = invoice_lines.recurring_of(price)
    interval, count = recurring["interval"], recurring["interval_count"]
    start, end = periods.around(anchor, interval, count, moment)
    return {"start": max(start, moment) if moment < anchor else start, "end": end}


def share_of(price: Price, item: SubscriptionItem) -> Decimal:
    """The part of a whole period that an item's current period is."""
    recurring = invoice_lines.recurring_of(price)
    end, start = item["current_period_end"], item["current_period_start"]
    whole = end - periods.add(end, recurring["interval"], -recurring["interval_count"])
    part = Decimal(end - start) / Decimal(whole)
    # February's month and March's month differ in length; both are one month.
    return Decimal(1) if part > Decimal("0.99") else part


def first_invoice(
    work: Work,
    subscription: Subscription,
    customer: Customer,
    *,
    prorate: bool,
) -> Invoice:
    """The first invoice of a subscription, finalised."""
    trial = subscription["status"] == "trialing"
    lines = []
    for item in subscriptions.items_newest_first(subscription):
        price = work.get(PRICE, item["price"])
        share = share_of(price, item)
        if share < 1 and not trial and not prorate:
            continue
        lines.append(
            invoice_lines.subscription_line(work, subscription, item, share=share, free=trial)
        )
    if prorate and not trial:
        lines += _backdated_lines(work, subscription)
    now = subscriptions.now(work, subscription)
    values = invoice_values(work, subscription, "subscription_create")
    values |= {"period_start": now, "period_end": now}
    pending = invoices.pending_for(work, customer, subscription)
    invoice = invoices.draft(work, customer, values, lines=lines, items=pending)
    subscription["latest_invoice"] = invoice["id"]
    subscriptions.save(work, subscription)
    return invoices.finalize(work, invoice)


def _backdated_lines(work: Work, subscription: Subscription) -> list[InvoiceLine]:
    """Lines for the time from a start in the past until now, in parts of whole periods."""
    start, now = subscription["start_date"], subscription["created"]
    if start >= now:
        return []
    lines = []
    for item in subscriptions.items_newest_first(subscription):
        price = work.get(PRICE, item["price"])
        line = invoice_lines.subscription_line(
            work, subscription, item, share=_periods_between(price, start, now)
        )
        line["period"] = {"start": start, "end": now}
        lines.append(line)
    return lines


def _periods_between(price: Price, start: int, end: int) -> Decimal:
    """How many periods of a price lie between two moments, the last one in part."""
    recurring = invoice_lines.recurring_of(price)
    interval, count = recurring["interval"], recurring["interval_count"]
    whole = 0
    while periods.add(start, interval, count * (whole + 1)) <= end:
        whole += 1
    begin = periods.add(start, interval, count * whole)
    following = periods.add(start, interval, count * (whole + 1))
    return whole + Decimal(end - begin) / Decimal(following - begin)


def invoice_values(work: Work, subscription: Subscription, reason: str) -> Json:
    """The fields of an invoice that come from the subscription it bills."""
    moment = subscriptions.now(work, subscription)
    days = subscription["days_until_due"]
    return {
        "automatic_tax": taxes.automatic(enabled=subscription["automatic_tax"]["enabled"]),
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "currency": subscription["currency"],
        "default_payment_method": subscription["default_payment_method"],
        "default_tax_rates": subscription["default_tax_rates"],
        "discounts": discounts.take(work, subscription["discounts"], moment),
        "due_date": moment + days * 86400 if days is not None else None,
        "metadata": {},
        "parent": invoices.subscription_parent(subscription),
    }


def collect_first(
    work: Work, subscription: Subscription, invoice: Invoice, *, behavior: str, off_session: bool
) -> None:
    """Pay the first invoice as `payment_behavior` says, and set the status.

    Raises:
        CardError: `error_if_incomplete`, and the payment failed or needs 3-D Secure.
        InvalidRequest: There is nothing to charge.
    """
    if invoice["amount_due"] == 0:
        invoice_collection.paid(work, invoice, 0)
        return
    if subscription["collection_method"] == "send_invoice":
        return
    subscription["status"] = "incomplete"
    subscriptions.save(work, subscription)
    method = invoice_collection.default_method(work, invoice)
    if behavior == "default_incomplete":
        present_payment(work, invoice, method)
        return
    if method is None:
        raise InvalidRequest(invoice_collection.NO_METHOD, code="resource_missing")
    invoice_collection.pay(work, invoice, method, off_session=off_session)
    if behavior == "error_if_incomplete":
        require_paid(work, invoice)


def present_payment(work: Work, invoice: Invoice, method: PaymentMethod | None) -> None:
    """Leave an invoice's payment intent for the client to confirm."""
    intent = invoices.intent_of(work, invoice)
    if intent and method:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        work.save(intent)


def require_paid(work: Work, invoice: Invoice) -> None:
    """Refuse a request whose payment did not succeed; nothing of it is stored.

    Raises:
        CardError: The payment failed or needs 3-D Secure.
    """
    intent = invoices.intent_of(work, invoice)
    if intent is None or intent["status"] == "succeeded":
        return
    waits = intent["status"] == "requires_action"
    refusal = (
        requires_action(work, intent, "subscription") if waits else payments.declined(work, intent)
    )
    refusal.keeps_work = False
    raise refusal


def requires_action(work: Work, intent: PaymentIntent, owner: str) -> CardError:
    """The refusal of a payment that requires 3-D Secure.

    Args:
        intent: The payment intent.
        owner: `subscription` or `invoice`: what the request is about.
    """
    through = "subscription.latest_invoice" if owner == "subscription" else "invoice"
    return CardError(
        f"Payment for this {owner} requires additional user action before it can be completed "
        "successfully. Payment can be completed using the PaymentIntent associated with "
        f"`{through}`.",
        code=f"{owner}_payment_intent_requires_action",
        payment_intent=present(work, intent),
    )


def begin_schedule(work: Work, subscription: Subscription) -> None:
    """Schedule the renewal, expiry, trial end and cancellation of a new subscription."""
    clock = subscription["test_clock"]
    subscriptions.schedule_cycle(work, subscription)
    if subscription["status"] == "incomplete":
        at = subscription["created"] + subscriptions.INCOMPLETE_FOR
        work.schedule(subscription, "subscription.expire", at, clock=clock)
    if subscription["trial_end"]:
        warning = subscription["trial_end"] - subscriptions.TRIAL_WARNING
        at = max(warning, subscription["created"])
        work.schedule(subscription, "subscription.trial_will_end", at, clock=clock)
    if subscription["cancel_at"]:
        work.schedule(subscription, "subscription.cancel", subscription["cancel_at"], clock=clock)


def authorise(
    work: Work, subscription: Subscription, customer: Customer, *, off_session: bool
) -> None:
    """Save the card of a subscription on which nothing is due yet."""
    if subscription["collection_method"] == "send_invoice":
        return
    method = subscriptions.method_of(work, subscription, customer)
    intent = setups.for_subscription(work, customer, method, off_session=off_session)
    if intent["status"] != "succeeded":
        subscription["pending_setup_intent"] = intent["id"]
        subscriptions.save(work, subscription)
