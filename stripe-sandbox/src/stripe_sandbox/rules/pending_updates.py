"""Updates that wait for their payment: which parameters may, and what is deferred with them.

Source: https://docs.stripe.com/billing/subscriptions/pending-updates-reference.
"""

import copy

from stripe_sandbox import changes
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.subscriptions import PendingUpdate, Subscription
from stripe_sandbox.storage.store import Work

_SUPPORTED = {
    "add_invoice_items",
    "billing_cycle_anchor",
    "cancel_at_period_end",
    "discounts",
    "expand",
    "items",
    "metadata",
    "off_session",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
}
_DEFERRED = ("metadata", "discounts", "cancel_at_period_end")
_CANCELLATION = ("cancel_at", "canceled_at", "cancellation_details")


def check(subscription: Subscription, names: set[str]) -> None:
    """Refuse parameters that cannot wait for a payment.

    Raises:
        InvalidRequest: As Stripe does; or the invoice would be sent instead of charged.
    """
    unsupported = sorted(names - _SUPPORTED)
    if unsupported:
        raise InvalidRequest(
            "When `payment_behavior` is set to `pending_if_incomplete`, you can only pass these "
            f"parameters: {', '.join(sorted(_SUPPORTED))}. Passed in: {unsupported[0]}.",
            param=unsupported[0],
        )
    if subscription["collection_method"] == "send_invoice":
        raise InvalidRequest(
            "`pending_if_incomplete` cannot be used with a collection method of `send_invoice`.",
            param="payment_behavior",
        )


def deferrable(subscription: Subscription) -> Json:
    """What a pending update leaves as it was until its invoice is paid."""
    fields: Json = {**subscription}
    return copy.deepcopy({name: fields[name] for name in (*_DEFERRED, *_CANCELLATION)})


def defer(work: Work, subscription: Subscription, before: Json) -> None:
    """Move what an update changed into its `pending_update`, and put the old values back."""
    fields: Json = {**subscription}
    for name in _DEFERRED:
        if fields[name] != before[name]:
            changes.update(subscription["pending_update"] or {}, {name: fields[name]})
    changes.update(subscription, before)
    work.save(subscription)


def apply_deferred(work: Work, subscription: Subscription, update: PendingUpdate) -> None:
    """Apply what was deferred, now that the invoice is paid."""
    if update["metadata"] is not None:
        subscription["metadata"] = update["metadata"]
    if update["discounts"] is not None:
        subscription["discounts"] = update["discounts"]
    if update["cancel_at_period_end"] is not None:
        items = subscription["items"]["data"]
        end = min(item["current_period_end"] for item in items)
        planned = update["cancel_at_period_end"]
        subscription |= {
            "cancel_at_period_end": planned,
            "cancel_at": end if planned else None,
            "canceled_at": work.now(subscription["test_clock"]) if planned else None,
        }
