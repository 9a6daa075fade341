"""Collects invoices: pays them, retries them, and updates their subscriptions."""

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.invoices import Invoice
from stripe_sandbox.objects.payments import PaymentIntent, PaymentMethod
from stripe_sandbox.objects.state import SubscriptionState
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.rules import (
    invoices,
    payment_methods,
    payments,
    pending_updates,
    subscriptions,
)
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import CUSTOMER, PAYMENT_METHOD, SUBSCRIPTION
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

# Days from one failed payment to the next attempt. At Stripe they are a setting of the account.
RETRY_DAYS = (3, 5, 7)
_DAY = 86400

NO_METHOD = (
    "This customer has no attached payment source or default payment method. Please consider "
    "adding a default payment method. For more information, visit "
    "https://docs.stripe.com/billing/subscriptions/payment-methods-setting."
)


def default_method(work: Work, invoice: Invoice) -> PaymentMethod | None:
    """The payment method that an invoice is charged to unless a caller names one."""
    customer = work.get(CUSTOMER, invoice["customer"])
    chosen = work.find(PAYMENT_METHOD, invoice["default_payment_method"])
    if chosen and chosen["customer"] == customer["id"]:
        return chosen
    billed = invoices.subscription_of(invoice)
    if billed:
        return subscriptions.method_of(work, work.get(SUBSCRIPTION, billed), customer)
    return work.find(PAYMENT_METHOD, payment_methods.default_of(customer))


def pay(
    work: Work,
    invoice: Invoice,
    method: PaymentMethod | None,
    *,
    off_session: bool,
    retry: bool = False,
) -> Invoice:
    """Try to pay an open invoice; its status and its subscription's show the outcome.

    Args:
        invoice: A finalised invoice.
        method: What to charge; without one the payment fails.
        off_session: Whether the customer is absent.
        retry: Whether this is an automatic retry, which moves the retry schedule.

    Raises:
        InvalidRequest: The invoice has no payment intent to pay with.
    """
    intent = invoices.intent_of(work, invoice)
    if intent is None or intent["status"] in {"succeeded", "canceled"}:
        raise InvalidRequest(f"Invoice {invoice['id']} cannot be paid.")
    if method is None:
        counts = _count_attempt(work, invoice, retry=retry)
        _failed(work, invoice, counts=counts)
        return invoice
    payments.attempt(work, intent, method, off_session=off_session)
    after_attempt(work, intent, retry=retry)
    return invoice


def after_attempt(work: Work, intent: PaymentIntent, *, retry: bool = False) -> None:
    """Apply the outcome of a payment intent to the invoice that it pays, if it pays one."""
    invoice = invoices.paid_with(work, intent)
    if invoice is None or invoice["status"] not in {"open", "uncollectible"}:
        return
    if intent["status"] not in {"succeeded", "requires_action", "requires_payment_method"}:
        return
    counts = _count_attempt(work, invoice, retry=retry)
    if intent["status"] == "succeeded":
        paid(work, invoice, intent["amount_received"])
        return
    if intent["status"] == "requires_action":
        emit(work, "invoice.payment_action_required", work.save(invoice))
    _failed(work, invoice, counts=counts)


def _count_attempt(work: Work, invoice: Invoice, *, retry: bool) -> bool:
    """Count the first attempt and automatic retries; returns whether this one counts."""
    counts = retry or invoice["attempt_count"] == 0
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + counts}
    work.save(invoice)
    return counts


def paid(work: Work, invoice: Invoice, amount: int, *, out_of_band: bool = False) -> Invoice:
    """Mark an invoice as paid, and update its subscription."""
    moment = work.now(invoice["test_clock"])
    invoice |= {
        "amount_paid": 0 if out_of_band else amount,
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
    }
    invoice["status_transitions"]["paid_at"] = moment
    work.unschedule(invoice, "invoice.retry")
    _close_payment(work, invoice, amount, moment, out_of_band=out_of_band)
    emit(work, "invoice.paid", work.save(invoice))
    emit(work, "invoice.payment_succeeded", invoice)
    _mark_delinquent(work, invoice, owes=False)
    _advance_subscription(work, invoice)
    return invoice


def _mark_delinquent(work: Work, invoice: Invoice, *, owes: bool) -> None:
    """Record whether the customer's latest automatic payment failed."""
    customer = work.find(CUSTOMER, invoice["customer"])
    if customer and customer["delinquent"] != owes:
        customer["delinquent"] = owes
        emit(work, "customer.updated", work.save(customer))


def _close_payment(
    work: Work, invoice: Invoice, amount: int, moment: int, *, out_of_band: bool
) -> None:
    payment = invoices.payment_of(work, invoice)
    if payment is None:
        return
    if out_of_band:
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = moment
        intent = invoices.intent_of(work, invoice)
        if intent and intent["status"] not in {"succeeded", "canceled"}:
            payments.cancel(work, intent, reason="void_invoice")
        work.save(payment)
        return
    payment |= {"status": "paid", "amount_paid": amount}
    payment["status_transitions"]["paid_at"] = moment
    emit(work, "invoice_payment.paid", work.save(payment))


def _failed(work: Work, invoice: Invoice, *, counts: bool) -> None:
    subscription = work.find(SUBSCRIPTION, invoices.subscription_of(invoice))
    later = subscription is not None and invoice["billing_reason"] != "subscription_create"
    if subscription and later and counts:
        _plan_retry(work, invoice, subscription)
    emit(work, "invoice.payment_failed", work.save(invoice))
    if subscription is None or subscription["status"] in subscriptions.ENDED:
        return
    state = work.state(subscription, SubscriptionState)
    if state.pending_invoice == invoice["id"] or state.resuming_invoice:
        return
    _mark_delinquent(work, invoice, owes=True)
    if subscription["status"] == "active" and later:
        subscription["status"] = "past_due"
        subscriptions.changed(work, subscription)
    if later and counts and not invoice["next_payment_attempt"]:
        _give_up(work, subscription)


def _give_up(work: Work, subscription: Subscription) -> None:
    """Do with a subscription what the account wants after the last retry.

    Source: https://docs.stripe.com/billing/revenue-recovery/smart-retries.
    """
    wanted = work.store.after_last_retry
    if wanted == "cancel":
        subscriptions.end(work, subscription, reason="payment_failed")
    elif wanted == "unpaid":
        subscription["status"] = "unpaid"
        subscriptions.changed(work, subscription)


def _plan_retry(work: Work, invoice: Invoice, subscription: Subscription) -> None:
    """Dunning. Source: https://docs.stripe.com/billing/revenue-recovery/smart-retries."""
    attempts = invoice["attempt_count"]
    if attempts > len(RETRY_DAYS) or subscription["status"] in subscriptions.ENDED:
        invoice |= {"next_payment_attempt": None, "auto_advance": False}
        return
    at = work.now(invoice["test_clock"]) + RETRY_DAYS[attempts - 1] * _DAY
    invoice["next_payment_attempt"] = at
    work.schedule(invoice, "invoice.retry", at, clock=invoice["test_clock"])


def _advance_subscription(work: Work, invoice: Invoice) -> None:
    subscription = work.find(SUBSCRIPTION, invoices.subscription_of(invoice))
    if subscription is None:
        return
    state = work.state(subscription, SubscriptionState)
    if subscription["pending_update"] and state.pending_invoice == invoice["id"]:
        apply_pending_update(work, subscription)
    if subscription["status"] == "paused" and state.resuming_invoice == invoice["id"]:
        subscriptions.resume(work, subscription, "active")
    if subscription["latest_invoice"] != invoice["id"]:
        subscriptions.follow_newest_invoice(work, subscription)
        return
    if subscription["status"] == "incomplete":
        subscriptions.begin(work, subscription)
    elif subscription["status"] in {"past_due", "unpaid"}:
        subscription["status"] = "active"
    _save_method(work, subscription, invoice)
    subscriptions.changed(work, subscription)


def _save_method(work: Work, subscription: Subscription, invoice: Invoice) -> None:
    settings = subscription["payment_settings"] or {}
    intent = invoices.intent_of(work, invoice)
    wanted = settings.get("save_default_payment_method") == "on_subscription"
    if wanted and intent and intent["payment_method"]:
        subscription["default_payment_method"] = intent["payment_method"]


def apply_pending_update(work: Work, subscription: Subscription) -> None:
    """Apply an update whose invoice is paid."""
    update = subscription["pending_update"]
    if update is None:
        return
    if update["subscription_items"]:
        subscription["items"]["data"] = update["subscription_items"]
    if update["billing_cycle_anchor"] is not None:
        subscription["billing_cycle_anchor"] = update["billing_cycle_anchor"]
    if update["trial_end"] is not None:
        on_trial = update["trial_end"] > subscriptions.now(work, subscription)
        status = "trialing" if on_trial else "active"
        subscription |= {"trial_end": update["trial_end"], "status": status}
    pending_updates.apply_deferred(work, subscription, update)
    subscription["pending_update"] = None
    work.state(subscription, SubscriptionState).pending_invoice = None
    work.unschedule(subscription, "subscription.pending_update_expires")
    subscriptions.schedule_cycle(work, subscription)
    emit(
        work, "customer.subscription.pending_update_applied", subscriptions.save(work, subscription)
    )


def confirmation_secret(work: Work, invoice: Invoice) -> Json | None:
    """The `confirmation_secret` of an invoice, with which a client confirms its payment."""
    intent = invoices.intent_of(work, invoice)
    if intent is None:
        return None
    return response_shapes.nested(
        "invoice",
        "ConfirmationSecret",
        {"client_secret": intent["client_secret"], "type": "payment_intent"},
    )
