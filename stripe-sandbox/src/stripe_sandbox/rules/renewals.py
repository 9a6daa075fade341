"""What falls due by itself: renewals, trial ends, finalisation, retries, expiry."""

from decimal import Decimal
from typing import Any

from stripe_sandbox.api.registry import due
from stripe_sandbox.rules import (
    invoice_collection,
    invoices,
    lines,
    subscription_creation,
    subscriptions,
)
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]

_RENEWING = {"active", "trialing", "past_due", "unpaid"}


@due("subscription.cycle")
def renew(work: Work, subscription: Json) -> None:
    """Begin the next period, or end a subscription that was to end with this one."""
    if subscription["status"] not in _RENEWING:
        return
    if subscription["cancel_at_period_end"]:
        subscriptions.end(work, subscription, reason="cancellation_requested")
        return
    if subscription["status"] == "trialing" and not trial_may_end(work, subscription):
        return
    now = subscriptions.now(work, subscription)
    drawn = roll(work, subscription, now)
    if drawn:
        _bill(work, subscription, drawn)
    subscriptions.schedule_cycle(work, subscription)
    subscriptions.changed(work, subscription)


def roll(work: Work, subscription: Json, moment: int) -> list[Json]:
    """Take items whose period is over into the period of a moment; returns its lines."""
    ended = [i for i in subscription["items"]["data"] if i["current_period_end"] <= moment]
    return [_roll_item(work, subscription, item, moment) for item in ended]


def _roll_item(work: Work, subscription: Json, item: Json, moment: int) -> Json:
    price = work.get("price", item["price"])
    period = subscription_creation.period_of(price, subscription["billing_cycle_anchor"], moment)
    item |= {"current_period_start": period["start"], "current_period_end": period["end"]}
    return lines.subscription_line(work, subscription, item, **period, share=Decimal(1), free=False)


def _bill(work: Work, subscription: Json, drawn: list[Json]) -> None:
    customer = work.get("customer", subscription["customer"])
    now = subscriptions.now(work, subscription)
    values = subscription_creation.invoice_values(work, subscription, "subscription_cycle")
    values |= {"period_start": subscription.get("_billed_from", now), "period_end": now}
    subscription["_billed_from"] = now
    invoice = invoices.draft(work, customer, values, drawn)
    invoices.take_pending(work, invoice, invoices.pending_for(work, customer, subscription))
    subscription["latest_invoice"] = invoice["id"]
    paused = (subscription["pause_collection"] or {}).get("behavior")
    if paused == "keep_as_draft":
        invoice["auto_advance"] = False
        work.save(invoice)
        return
    invoices.schedule_finalization(work, invoice)


def trial_may_end(work: Work, subscription: Json) -> bool:
    """End a trial as its settings say; whether billing goes on after it."""
    customer = work.get("customer", subscription["customer"])
    method = subscriptions.method_of(work, subscription, customer)
    settings = (subscription["trial_settings"] or {}).get("end_behavior", {})
    missing = settings.get("missing_payment_method", "create_invoice")
    automatic = subscription["collection_method"] == "charge_automatically"
    if method is None and automatic and missing == "cancel":
        subscriptions.end(work, subscription, reason="payment_failed")
        return False
    if method is None and automatic and missing == "pause":
        pause(work, subscription, "trial_end_without_payment_method")
        emit(work, "customer.subscription.paused", subscriptions.keep(work, subscription))
        return False
    subscription |= {"status": "active", "pending_setup_intent": None}
    return True


def pause(work: Work, subscription: Json, why: str) -> None:
    """Stop a subscription without ending it; nothing is billed until it is resumed."""
    moment = subscriptions.now(work, subscription)
    details = {"subscription": {"type": why}, "transitioned_at": moment, "type": "subscription"}
    subscription |= {"status": "paused", "status_details": {"paused": details}}
    work.unschedule(subscription, "subscription.cycle")


@due("subscription.trial_will_end")
def warn_of_trial_end(work: Work, subscription: Json) -> None:
    """Tell three days ahead that a trial ends."""
    if subscription["status"] == "trialing":
        emit(work, "customer.subscription.trial_will_end", subscription)


@due("subscription.cancel")
def cancel_as_planned(work: Work, subscription: Json) -> None:
    """End a subscription at its `cancel_at`."""
    if subscription["status"] not in subscriptions.ENDED:
        subscriptions.end(work, subscription, reason="cancellation_requested")


@due("subscription.expire")
def expire(work: Work, subscription: Json) -> None:
    """Give up on a first payment that never came."""
    if subscription["status"] == "incomplete":
        subscriptions.expire(work, subscription)


@due("subscription.resume_collection")
def resume_collection(work: Work, subscription: Json) -> None:
    """Collect again when `pause_collection.resumes_at` is reached."""
    subscription["pause_collection"] = None
    subscriptions.changed(work, subscription)


@due("subscription.pending_update_expires")
def drop_pending_update(work: Work, subscription: Json) -> None:
    """Forget an update whose invoice was not paid in time."""
    if subscription["pending_update"] is None:
        return
    invoice = work.find(subscription.get("_pending_invoice") or "")
    if invoice and invoice["status"] == "open":
        invoices.void(work, invoice)
    subscription |= {"pending_update": None, "_pending_invoice": None}
    kept = subscriptions.keep(work, subscription)
    emit(work, "customer.subscription.pending_update_expired", kept)


def forget_update_of(work: Work, invoice: Json) -> None:
    """Forget the update that waited for a voided invoice; that is how one is given up.

    Source: https://docs.stripe.com/billing/subscriptions/pending-updates.
    """
    billed = invoices.subscription_of(invoice)
    subscription = work.find(billed) if billed else None
    if subscription and subscription.get("_pending_invoice") == invoice["id"]:
        drop_pending_update(work, subscription)


@due("invoice.finalize")
def finalize(work: Work, invoice: Json) -> None:
    """Finalise a draft after its hour, and collect it."""
    if invoice["status"] != "draft" or not invoice["auto_advance"]:
        return
    invoices.finalize(work, invoice)
    billed = invoices.subscription_of(invoice)
    paused = ((work.find(billed or "") or {}).get("pause_collection") or {}).get("behavior")
    if paused == "void":
        invoices.void(work, invoice)
    elif paused == "mark_uncollectible":
        mark_uncollectible(work, invoice)
    else:
        collect(work, invoice)


def collect(work: Work, invoice: Json) -> None:
    """Take what is due on a finalised invoice, or send it."""
    if invoice["amount_due"] == 0:
        invoice_collection.paid(work, invoice, 0)
    elif invoice["collection_method"] == "send_invoice":
        emit(work, "invoice.sent", invoice)
    else:
        method = invoice_collection.default_method(work, invoice)
        invoice_collection.pay(work, invoice, method, off_session=True)


@due("invoice.retry")
def retry(work: Work, invoice: Json) -> None:
    """Try again to collect an invoice whose payment failed."""
    if invoice["status"] == "open":
        method = invoice_collection.default_method(work, invoice)
        invoice_collection.pay(work, invoice, method, off_session=True, retry=True)


@due("invoice.overdue")
def overdue(work: Work, invoice: Json) -> None:
    """Have a subscription wait for an invoice that was sent and is not paid when it is due."""
    subscription = work.find(invoices.subscription_of(invoice) or "")
    if invoice["status"] == "open" and subscription and subscription["status"] == "active":
        subscription["status"] = "past_due"
        subscriptions.changed(work, subscription)


def mark_uncollectible(work: Work, invoice: Json) -> Json:
    """Write an invoice off."""
    invoice |= {"status": "uncollectible", "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"]["marked_uncollectible_at"] = work.now(invoice["test_clock"])
    work.unschedule(invoice, "invoice.retry")
    emit(work, "invoice.marked_uncollectible", work.save(invoice))
    return invoice
