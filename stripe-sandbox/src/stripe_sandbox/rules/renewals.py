"""What becomes due on a clock: renewals, trial ends, finalisation, retries, expiry."""

from stripe_sandbox.api.registry import due
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.invoices import Invoice, InvoiceLine
from stripe_sandbox.objects.state import SubscriptionState
from stripe_sandbox.objects.subscriptions import Subscription, SubscriptionItem
from stripe_sandbox.rules import (
    invoice_collection,
    invoice_lines,
    invoices,
    subscription_creation,
    subscriptions,
)
from stripe_sandbox.storage.kinds import CUSTOMER, INVOICE, PRICE, SUBSCRIPTION
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_RENEWING = {"active", "trialing", "past_due", "unpaid"}


def ends_before_renewal(subscription: Subscription) -> bool:
    """Whether a subscription is canceled before its next period begins."""
    cancel_at = subscription["cancel_at"]
    return cancel_at is not None and cancel_at <= subscriptions.next_renewal(subscription)


def next_invoice(work: Work, subscription: Subscription) -> Invoice:
    """Begin the next period now, and draft its invoice; for previews, which are rolled back."""
    customer = work.get(CUSTOMER, subscription["customer"])
    at = subscriptions.next_renewal(subscription)
    lines = begin_periods(work, subscription, at)
    values = subscription_creation.invoice_values(work, subscription, "upcoming")
    values |= {"created": at, "period_end": at, "next_payment_attempt": at + 3600}
    pending = invoices.pending_for(work, customer, subscription)
    return invoices.draft(work, customer, values, lines=lines, items=pending)


@due("subscription.upcoming")
def announce_renewal(work: Work, subscription: Subscription) -> None:
    """Send `invoice.upcoming` some days before a renewal, with the invoice that is to come."""
    if subscription["status"] not in _RENEWING or ends_before_renewal(subscription):
        return
    with work.rolled_back():
        invoice = next_invoice(work, work.get(SUBSCRIPTION, subscription["id"]))
    emit(work, "invoice.upcoming", preview_of(work, invoice))


def preview_of(work: Work, invoice: Invoice) -> Json:
    """An invoice that does not exist, as previews and `invoice.upcoming` show it."""
    return {
        **invoice,
        "id": f"upcoming_in_{work.ids.text(24)}",
        "automatically_finalizes_at": None,
        "status": "draft",
    }


@due("subscription.cycle")
def renew(work: Work, subscription: Subscription) -> None:
    """Begin the next period, or end a subscription that was to end with this one."""
    if subscription["status"] not in _RENEWING:
        return
    if subscription["cancel_at_period_end"]:
        subscriptions.end(work, subscription, reason="cancellation_requested")
        return
    if subscription["status"] == "trialing" and not trial_may_end(work, subscription):
        return
    now = subscriptions.now(work, subscription)
    since = min(item["current_period_start"] for item in subscription["items"]["data"])
    lines = begin_periods(work, subscription, now)
    if lines:
        _bill(work, subscription, lines, since=since)
    subscriptions.schedule_cycle(work, subscription)
    subscriptions.changed(work, subscription)


def begin_periods(work: Work, subscription: Subscription, moment: int) -> list[InvoiceLine]:
    """Begin the next period of the items whose period is over; returns the lines for it."""
    return [
        _begin_period(work, subscription, item, moment)
        for item in subscriptions.items_newest_first(subscription)
        if item["current_period_end"] <= moment
    ]


def _begin_period(
    work: Work, subscription: Subscription, item: SubscriptionItem, moment: int
) -> InvoiceLine:
    price = work.get(PRICE, item["price"])
    period = subscription_creation.period_of(price, subscription["billing_cycle_anchor"], moment)
    item |= {"current_period_start": period["start"], "current_period_end": period["end"]}
    return invoice_lines.subscription_line(work, subscription, item)


def _bill(work: Work, subscription: Subscription, lines: list[InvoiceLine], *, since: int) -> None:
    customer = work.get(CUSTOMER, subscription["customer"])
    now = subscriptions.now(work, subscription)
    values = subscription_creation.invoice_values(work, subscription, "subscription_cycle")
    values |= {"period_start": since, "period_end": now}
    pending = invoices.pending_for(work, customer, subscription)
    invoice = invoices.draft(work, customer, values, lines=lines, items=pending)
    subscription["latest_invoice"] = invoice["id"]
    paused = subscription["pause_collection"]
    drafts = paused is not None and paused["behavior"] == "keep_as_draft"
    if drafts or subscription["status"] == "unpaid":
        invoice["auto_advance"] = False
        work.save(invoice)
        return
    invoices.schedule_finalization(work, invoice)


def trial_may_end(work: Work, subscription: Subscription) -> bool:
    """End a trial as its settings say; returns whether billing starts."""
    customer = work.get(CUSTOMER, subscription["customer"])
    method = subscriptions.method_of(work, subscription, customer)
    settings = (subscription["trial_settings"] or {}).get("end_behavior", {})
    missing = settings.get("missing_payment_method", "create_invoice")
    automatic = subscription["collection_method"] == "charge_automatically"
    if method is None and automatic and missing == "cancel":
        subscriptions.end(work, subscription, reason="payment_failed")
        return False
    if method is None and automatic and missing == "pause":
        pause(work, subscription, "trial_end_without_payment_method")
        emit(work, "customer.subscription.paused", subscriptions.save(work, subscription))
        return False
    subscription |= {"status": "active", "pending_setup_intent": None}
    return True


def pause(work: Work, subscription: Subscription, why: str) -> None:
    """Pause a subscription; nothing is billed until it is resumed."""
    moment = subscriptions.now(work, subscription)
    details = {"subscription": {"type": why}, "transitioned_at": moment, "type": "subscription"}
    subscription |= {"status": "paused", "status_details": {"paused": details}}
    work.unschedule(subscription, "subscription.cycle")


@due("subscription.trial_will_end")
def warn_of_trial_end(work: Work, subscription: Subscription) -> None:
    """Send `customer.subscription.trial_will_end`, three days before a trial ends."""
    if subscription["status"] == "trialing":
        emit(work, "customer.subscription.trial_will_end", subscription)


@due("subscription.cancel")
def cancel_as_planned(work: Work, subscription: Subscription) -> None:
    """End a subscription at its `cancel_at`."""
    if subscription["status"] not in subscriptions.ENDED:
        subscriptions.end(work, subscription, reason="cancellation_requested")


@due("subscription.expire")
def expire(work: Work, subscription: Subscription) -> None:
    """Expire a subscription whose first payment was not completed."""
    if subscription["status"] == "incomplete":
        subscriptions.expire(work, subscription)


@due("subscription.resume_collection")
def resume_collection(work: Work, subscription: Subscription) -> None:
    """Collect again when `pause_collection.resumes_at` is reached."""
    subscription["pause_collection"] = None
    subscriptions.changed(work, subscription)


@due("subscription.pending_update_expires")
def drop_pending_update(work: Work, subscription: Subscription) -> None:
    """Forget an update whose invoice was not paid in time."""
    if subscription["pending_update"] is None:
        return
    state = work.state(subscription, SubscriptionState)
    invoice = work.find(INVOICE, state.pending_invoice)
    if invoice and invoice["status"] == "open":
        invoices.void(work, invoice)
    subscription["pending_update"] = None
    state.pending_invoice = None
    saved = subscriptions.save(work, subscription)
    emit(work, "customer.subscription.pending_update_expired", saved)


def cancel_update_of(work: Work, invoice: Invoice) -> None:
    """Cancel the pending update whose invoice was voided.

    Source: https://docs.stripe.com/billing/subscriptions/pending-updates.
    """
    subscription = work.find(SUBSCRIPTION, invoices.subscription_of(invoice))
    if subscription is None:
        return
    if work.state(subscription, SubscriptionState).pending_invoice == invoice["id"]:
        drop_pending_update(work, subscription)


@due("invoice.finalize")
def finalize(work: Work, invoice: Invoice) -> None:
    """Finalise a draft after its hour, and collect it."""
    if invoice["status"] != "draft" or not invoice["auto_advance"]:
        return
    invoices.finalize(work, invoice)
    billed = work.find(SUBSCRIPTION, invoices.subscription_of(invoice))
    paused = billed["pause_collection"] if billed else None
    if paused and paused["behavior"] == "void":
        invoices.void(work, invoice)
    elif paused and paused["behavior"] == "mark_uncollectible":
        mark_uncollectible(work, invoice)
    else:
        collect(work, invoice)


def collect(work: Work, invoice: Invoice) -> None:
    """Charge what is due on a finalised invoice, or send it."""
    if invoice["amount_due"] == 0:
        invoice_collection.paid(work, invoice, 0)
    elif invoice["collection_method"] == "send_invoice":
        emit(work, "invoice.sent", invoice)
    else:
        method = invoice_collection.default_method(work, invoice)
        invoice_collection.pay(work, invoice, method, off_session=True)


@due("invoice.retry")
def retry(work: Work, invoice: Invoice) -> None:
    """Try again to collect an invoice whose payment failed."""
    if invoice["status"] == "open":
        method = invoice_collection.default_method(work, invoice)
        invoice_collection.pay(work, invoice, method, off_session=True, retry=True)


@due("invoice.overdue")
def overdue(work: Work, invoice: Invoice) -> None:
    """Set a subscription to past due when the invoice that was sent for it is not paid in time."""
    subscription = work.find(SUBSCRIPTION, invoices.subscription_of(invoice))
    if invoice["status"] == "open" and subscription and subscription["status"] == "active":
        subscription["status"] = "past_due"
        subscriptions.changed(work, subscription)


def mark_uncollectible(work: Work, invoice: Invoice) -> Invoice:
    """Mark an invoice as uncollectible."""
    invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"]["marked_uncollectible_at"] = work.now(invoice["test_clock"])
    work.unschedule(invoice, "invoice.retry")
    emit(work, "invoice.marked_uncollectible", work.save(invoice))
    return invoice
