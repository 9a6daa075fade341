"""Subscriptions: saving them, their statuses, how they end."""

from stripe_sandbox import changes
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.payments import PaymentMethod
from stripe_sandbox.objects.state import SubscriptionState
from stripe_sandbox.objects.subscriptions import Subscription, SubscriptionItem
from stripe_sandbox.rules import invoices, payment_methods, payments
from stripe_sandbox.storage.kinds import INVOICE, PAYMENT_METHOD
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

INCOMPLETE_FOR = 23 * 3600
TRIAL_WARNING = 3 * 86400
# Stripe's default; there it is a setting of the account.
UPCOMING_BEFORE = 7 * 86400
ENDED = {"canceled", "incomplete_expired"}
_ACTIONS = (
    "subscription.cycle",
    "subscription.upcoming",
    "subscription.expire",
    "subscription.trial_will_end",
    "subscription.cancel",
    "subscription.resume_collection",
    "subscription.pending_update_expires",
    "schedule.advance",
)


def save(work: Work, subscription: Subscription) -> Subscription:
    """Store a subscription, with the number of its items."""
    subscription["items"]["total_count"] = len(subscription["items"]["data"])
    return work.save(subscription)


def now(work: Work, subscription: Subscription) -> int:
    """The time on a subscription's clock."""
    return work.now(subscription["test_clock"])


def changed(work: Work, subscription: Subscription) -> Subscription:
    """Store a subscription, and record an event about what changed in it.

    One that this unit of work created has not been announced yet: its `created` event
    shows the status that its first payment led to.
    """
    save(work, subscription)
    if work.announced(subscription["id"]):
        emit(work, "customer.subscription.updated", subscription)
    return subscription


def items_newest_first(subscription: Subscription) -> list[SubscriptionItem]:
    """The items in the order in which an invoice lists them."""
    return sorted(subscription["items"]["data"], key=lambda item: -item["created"])


def next_renewal(subscription: Subscription) -> int:
    """When the earliest item's period ends, in seconds since the epoch."""
    return min(item["current_period_end"] for item in subscription["items"]["data"])


def schedule_cycle(work: Work, subscription: Subscription) -> None:
    """Schedule the next renewal for the end of the earliest item's period."""
    at, clock = next_renewal(subscription), subscription["test_clock"]
    work.schedule(subscription, "subscription.cycle", at, clock=clock)
    announced_at = at - UPCOMING_BEFORE
    if announced_at > now(work, subscription):
        work.schedule(subscription, "subscription.upcoming", announced_at, clock=clock)
    else:
        work.unschedule(subscription, "subscription.upcoming")


def begin(work: Work, subscription: Subscription) -> None:
    """Start a subscription whose first payment succeeded; a period may be over by then."""
    trial_end = subscription["trial_end"]
    on_trial = trial_end is not None and trial_end > now(work, subscription)
    subscription["status"] = "trialing" if on_trial else "active"
    work.unschedule(subscription, "subscription.expire")
    schedule_cycle(work, subscription)


def resume(work: Work, subscription: Subscription, status: str) -> None:
    """End the pause of a subscription, and schedule its next renewal."""
    subscription |= {"status": status, "status_details": None}
    work.state(subscription, SubscriptionState).resuming_invoice = None
    schedule_cycle(work, subscription)
    emit(work, "customer.subscription.resumed", save(work, subscription))


def method_of(work: Work, subscription: Subscription, customer: Customer) -> PaymentMethod | None:
    """The payment method a subscription is charged to: its own, else its customer's."""
    chosen = subscription["default_payment_method"]
    chosen = chosen or payment_methods.default_of(customer)
    found = work.find(PAYMENT_METHOD, chosen)
    return found if found and found["customer"] == customer["id"] else None


def follow_newest_invoice(work: Work, subscription: Subscription) -> None:
    """Make a subscription active again if its newest invoice that counts is not owed.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses.
    """
    if subscription["status"] not in {"past_due", "unpaid"}:
        return
    where = {"parent.subscription_details.subscription": subscription["id"]}
    counted = (one for one in work.newest(INVOICE, where) if one["status"] not in {"void", "draft"})
    newest = next(counted, None)
    if newest is None or newest["status"] in {"paid", "uncollectible"}:
        subscription["status"] = "active"
        changed(work, subscription)


def end(
    work: Work, subscription: Subscription, *, reason: str, details: Json | None = None
) -> Subscription:
    """Cancel a subscription now; its open invoices are no longer collected.

    Args:
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
    subscription["cancellation_details"] = {
        **subscription["cancellation_details"],
        "reason": reason,
    }
    changes.update(subscription["cancellation_details"], details or {})
    work.unschedule(subscription, *_ACTIONS)
    _stop_collection(work, subscription, void=first_unpaid)
    emit(work, "customer.subscription.deleted", save(work, subscription))
    return subscription


def _stop_collection(work: Work, subscription: Subscription, *, void: bool) -> None:
    where = {"parent.subscription_details.subscription": subscription["id"]}
    for invoice in work.all(INVOICE, {**where, "status": ["draft", "open"]}):
        if void and invoice["status"] == "open":
            invoices.void(work, invoice)
            continue
        invoice |= {"auto_advance": False, "next_payment_attempt": None}
        invoice["automatically_finalizes_at"] = None
        work.unschedule(invoice, "invoice.finalize", "invoice.retry")
        emit(work, "invoice.updated", work.save(invoice))
    if subscription["pending_setup_intent"]:
        subscription["pending_setup_intent"] = None


def expire(work: Work, subscription: Subscription) -> None:
    """Expire a subscription whose first payment was not completed within 23 hours.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses.
    """
    moment = now(work, subscription)
    subscription |= {"status": "incomplete_expired", "ended_at": moment}
    work.unschedule(subscription, *_ACTIONS)
    invoice = work.find(INVOICE, subscription["latest_invoice"])
    if invoice and invoice["status"] in {"draft", "open"}:
        intent = invoices.intent_of(work, invoice)
        invoices.void(work, invoice)
        if intent and intent["status"] not in {"succeeded", "canceled"}:
            payments.cancel(work, intent, reason="void_invoice")
    changed(work, subscription)
