"""Pausing and resuming subscriptions."""

from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.state import SubscriptionState
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.resources.subscription_updates import moment_of
from stripe_sandbox.rules import (
    invoice_collection,
    invoices,
    prorating,
    renewals,
    subscription_creation,
    subscription_updates,
    subscriptions,
)
from stripe_sandbox.storage.kinds import CUSTOMER, SUBSCRIPTION
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


@handles("subscriptions.pause")
def pause(call: Call) -> Thing:
    """Pause a subscription, with credit for the unused time."""
    work, params = call.work, call.params
    subscription = work.get(SUBSCRIPTION, call.id)
    if subscription["billing_mode"]["type"] == "classic":
        raise InvalidRequest("Only subscriptions in flexible billing mode can be paused.")
    if subscription["schedule"]:
        raise InvalidRequest("A subscription that a schedule manages cannot be paused.")
    if subscription["status"] not in {"active", "trialing", "past_due"}:
        raise InvalidRequest(
            f"A subscription with a status of {subscription['status']} cannot be paused."
        )
    params.get("type")
    unused = ((params.get("bill_for") or {}).get("unused_time_from") or {}).get("type", "now")
    moment = subscriptions.now(work, subscription)
    if unused != "none" and subscription["status"] == "active":
        for item in subscription["items"]["data"]:
            at = item["current_period_start"] if unused != "now" else moment
            prorating.credit(work, subscription, item, at)
    invoiced = params.get("invoicing_behavior", "pending_invoice_item") == "invoice"
    renewals.pause(work, subscription, "pause_requested")
    if invoiced:
        customer = work.get(CUSTOMER, subscription["customer"])
        if invoices.pending_for(work, customer, subscription):
            renewals.collect(
                work, subscription_updates.update_invoice(work, subscription, customer, [])
            )
    emit(work, "customer.subscription.paused", subscriptions.save(work, subscription))
    return subscription


@handles("subscriptions.resume")
def resume(call: Call) -> Thing:
    """Resume a paused subscription; it is active once the invoice is paid."""
    work, params = call.work, call.params
    subscription = work.get(SUBSCRIPTION, call.id)
    if subscription["status"] != "paused":
        raise InvalidRequest("Only a paused subscription can be resumed.")
    proration = params.get("proration_behavior", "create_prorations")
    waits = params.get("payment_behavior") == "resume_on_payment_success"
    anchor = (params.get("billing_cycle_anchor") or {}).get("type", "now")
    moment = moment_of(work, subscription, params)
    if anchor != "now" and proration != "none":
        raise NotCovered("prorations of a resumed cycle", param="proration_behavior")
    if anchor == "now":
        _restart(work, subscription, moment, waits=waits)
    else:
        subscriptions.resume(work, subscription, "active")
    return subscriptions.changed(work, subscription)


def _restart(work: Work, subscription: Subscription, moment: int, *, waits: bool) -> None:
    customer = work.get(CUSTOMER, subscription["customer"])
    lines = subscription_updates.restart(work, subscription, moment)
    invoice = subscription_updates.update_invoice(work, subscription, customer, lines)
    work.state(subscription, SubscriptionState).resuming_invoice = invoice["id"]
    if invoice["amount_due"] == 0:
        invoice_collection.paid(work, invoice, 0)
        return
    method = invoice_collection.default_method(work, invoice)
    if waits:
        subscription_creation.present_payment(work, invoice, method)
        return
    invoice_collection.pay(work, invoice, method, off_session=False)
    if subscription["status"] == "paused":
        subscriptions.resume(work, subscription, "past_due")
