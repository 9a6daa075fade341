"""What a refund or a dispute does to the subscription that was paid, as the operator decided."""

from enum import Enum
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from subscriptions.managing.plan import cancel_row
from subscriptions.models import Subscription
from subscriptions.statuses import ENDED
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.charges import StripeCharge, fetch_charge
from subscriptions.stripe_gateway.objects import StripeSubscription
from subscriptions.sync.charge_rows import write_charge
from subscriptions.sync.customer_rows import acting_for, lock_row
from subscriptions.sync.writer import refresh_customer


class _Step(Enum):
    CANCEL = "cancel"
    PAUSE = "pause"
    COLLECT_AGAIN = "collect again"


def follow(charge_id: str, *, cause: str) -> None:
    """Write down the refunds and disputes of a charge, and act on its subscription.

    Access is ended by ending the subscription at Stripe, so that nothing is billed without it:
    after a full refund (REFUND_ENDS_ACCESS), and when a dispute is lost (DISPUTE_ENDS_ACCESS).
    While a dispute is open, collection is paused.

    Args:
        charge_id: `ch_…`.
        cause: For the timeline, such as an event's type.

    Raises:
        AttemptInProgress: Another process acts for the customer; come back.
    """
    charge = fetch_charge(charge_id)
    if not charge.stripe_customer_id:
        return
    refreshed = refresh_customer(charge.stripe_customer_id, cause=cause, everything=False)
    if refreshed is None:
        return
    with transaction.atomic():
        write_charge(lock_row(refreshed.customer), charge, cause=cause)
    row = _live_row(charge)
    found = {each.id: each for each in refreshed.snapshot.subscriptions}
    if row is not None and row.stripe_subscription_id in found:
        _act(row, charge, found=found[row.stripe_subscription_id], cause=cause)


def _live_row(charge: StripeCharge) -> Subscription | None:
    return (
        Subscription.objects.select_related("customer")
        .filter(stripe_subscription_id=charge.stripe_subscription_id, is_ours=True)
        .exclude(stripe_status__in=ENDED)
        .first()
    )


def _act(row: Subscription, charge: StripeCharge, *, found: StripeSubscription, cause: str) -> None:
    step, name = _next_step(row, charge, found=found), row.stripe_subscription_id
    if step is _Step.CANCEL:
        cancel_row(row, at_period_end=False, cause=cause)
        return
    if step is None:
        return
    with acting_for(row.customer):
        if step is _Step.PAUSE:
            stripe_subscriptions.pause_collection(
                name, dispute=row.open_dispute, key=f"pause:{uuid4()}"
            )
        else:
            stripe_subscriptions.collect_again(name, key=f"collect-again:{uuid4()}")
        refresh_customer(charge.stripe_customer_id, cause=cause, everything=False)


def _next_step(
    row: Subscription, charge: StripeCharge, *, found: StripeSubscription
) -> _Step | None:
    billing = settings.BILLING
    # The refund of an earlier period says nothing about the one that runs.
    pays_now = row.current_period_start in charge.period_starts
    if billing.refund_ends_access and charge.fully_refunded and pays_now:
        return _Step.CANCEL
    if billing.dispute_ends_access and any(each.status == "lost" for each in charge.disputes):
        return _Step.CANCEL
    if billing.dispute_ends_access and row.open_dispute:
        # A pause that staff made serves as well, and outlasts the dispute.
        return None if found.collection_paused else _Step.PAUSE
    return _Step.COLLECT_AGAIN if found.paused_for else None
