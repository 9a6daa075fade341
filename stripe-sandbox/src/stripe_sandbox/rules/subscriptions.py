"""What every rule about subscriptions needs: saving, statuses, ends."""

from typing import Any

from stripe_sandbox.rules import invoices, payments
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]

INCOMPLETE_FOR = 23 * 3600
TRIAL_WARNING = 3 * 86400
ENDED = {"canceled", "incomplete_expired"}
_ACTIONS = (
    "subscription.cycle",
    "subscription.expire",
    "subscription.trial_will_end",
    "subscription.cancel",
    "subscription.resume_collection",
    "subscription.pending_update_expires",
)


def keep(work: Work, subscription: Json) -> Json:
    """Store a subscription together with what it can be found by."""
    items = subscription["items"]["data"]
    subscription["_items"] = [item["id"] for item in items]
    subscription["_prices"] = sorted({item["price"] for item in items})
    subscription["_ended"] = subscription["status"] == "canceled"
    subscription["items"]["total_count"] = len(items)
    return work.save(subscription)


def now(work: Work, subscription: Json) -> int:
    """The time on a subscription's clock."""
    return work.now(subscription["test_clock"])


def changed(work: Work, subscription: Json) -> Json:
    """Store a subscription, and tell what changed in it once it has been announced."""
    keep(work, subscription)
    if subscription.get("_announced"):
        emit(work, "customer.subscription.updated", subscription)
    return subscription


def announce(work: Work, subscription: Json) -> None:
    """Tell that a subscription was created, with the status it ended up in."""
    subscription["_announced"] = True
    emit(work, "customer.subscription.created", keep(work, subscription))


def schedule_cycle(work: Work, subscription: Json) -> None:
    """Have the next period begin when the earliest item's period ends."""
    at = min(item["current_period_end"] for item in subscription["items"]["data"])
    work.schedule(subscription, "subscription.cycle", at, clock=subscription["test_clock"])


def begin(work: Work, subscription: Json) -> None:
    """Let a subscription run whose first payment has come, though a period may be over by now."""
    trial_end = subscription["trial_end"]
    on_trial = trial_end is not None and trial_end > now(work, subscription)
    subscription["status"] = "trialing" if on_trial else "active"
    work.unschedule(subscription, "subscription.expire")
    schedule_cycle(work, subscription)


def resume(work: Work, subscription: Json, status: str) -> None:
    """End the pause of a subscription, and have its cycle go on."""
    subscription |= {"status": status, "status_details": None, "_resuming": None}
    schedule_cycle(work, subscription)
    emit(work, "customer.subscription.resumed", keep(work, subscription))


def method_of(work: Work, subscription: Json, customer: Json) -> Json | None:
    """The payment method a subscription is charged to: its own, else its customer's."""
    chosen = subscription["default_payment_method"]
    chosen = chosen or customer["invoice_settings"]["default_payment_method"]
    found = work.find(chosen) if chosen else None
    return found if found and found["customer"] == customer["id"] else None


def end(work: Work, subscription: Json, *, reason: str, details: Json | None = None) -> Json:
    """Cancel a subscription now; its open invoices are no longer collected.

    Args:
        work: The unit of work.
        subscription: A subscription that has not ended.
        reason: `cancellation_requested` or `payment_failed`.
        details: The caller's own `cancellation_details`.
    """
    moment = now(work, subscription)
    first_unpaid = subscription["status"] == "incomplete"
    subscription |= {
        "status": "canceled",
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": subscription["canceled_at"] or moment,
        "ended_at": moment,
        "pending_update": None,
    }
    subscription["cancellation_details"] |= {"reason": reason, **(details or {})}
    work.unschedule(subscription, *_ACTIONS)
    _stop_collection(work, subscription, void=first_unpaid)
    emit(work, "customer.subscription.deleted", keep(work, subscription))
    return subscription


def _stop_collection(work: Work, subscription: Json, *, void: bool) -> None:
    where = {"parent.subscription_details.subscription": subscription["id"]}
    for invoice in work.all("invoice", **where, status=["draft", "open"]):
        if void and invoice["status"] == "open":
            invoices.void(work, invoice)
            continue
        invoice |= {"auto_advance": False, "next_payment_attempt": None}
        invoice["automatically_finalizes_at"] = None
        work.unschedule(invoice, "invoice.finalize", "invoice.retry")
        emit(work, "invoice.updated", work.save(invoice))
    if subscription["pending_setup_intent"]:
        subscription["pending_setup_intent"] = None


def expire(work: Work, subscription: Json) -> None:
    """Give up on a first payment that was not completed within 23 hours.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses.
    """
    moment = now(work, subscription)
    subscription |= {"status": "incomplete_expired", "ended_at": moment}
    work.unschedule(subscription, *_ACTIONS)
    invoice = work.find(subscription["latest_invoice"] or "")
    if invoice and invoice["status"] in {"draft", "open"}:
        intent = invoices.intent_of(work, invoice)
        invoices.void(work, invoice)
        if intent and intent["status"] not in {"succeeded", "canceled"}:
            payments.cancel(work, intent, reason="void_invoice")
    changed(work, subscription)
