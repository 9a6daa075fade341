"""Writes down what became of a charge: its refunds and disputes."""

from collections.abc import Sequence

from subscriptions.models import Customer, Dispute, Refund, Subscription
from subscriptions.statuses import OPEN_DISPUTE
from subscriptions.stripe_gateway.charges import StripeCharge, StripeReversal
from subscriptions.sync.subscription_rows import write_open_dispute


def write_charge(customer: Customer, charge: StripeCharge, *, cause: str) -> None:
    """Write the refunds and disputes of a charge.

    Args:
        customer: Who paid it; the row is locked by the caller.
        charge: What Stripe says.
        cause: For the timeline.
    """
    paid = Subscription.objects.filter(
        stripe_subscription_id=charge.stripe_subscription_id, user_id=customer.user_id
    ).first()
    _write(Refund, charge.refunds, charge=charge, customer=customer, subscription=paid)
    _write(Dispute, charge.disputes, charge=charge, customer=customer, subscription=paid)
    if paid is None:
        return
    still_open = Dispute.objects.filter(subscription=paid, stripe_status__in=OPEN_DISPUTE)
    newest = still_open.order_by("-created_at").values_list("stripe_id", flat=True).first()
    write_open_dispute(paid, newest or "", cause=cause)


def _write(
    model: type[Refund] | type[Dispute],
    found: Sequence[StripeReversal],
    *,
    charge: StripeCharge,
    customer: Customer,
    subscription: Subscription | None,
) -> None:
    for each in found:
        model.objects.update_or_create(
            stripe_id=each.id,
            defaults={
                "customer": customer,
                "subscription": subscription,
                "stripe_charge_id": charge.id,
                "amount": each.amount,
                "currency": each.currency,
                "stripe_status": each.status,
                "reason": each.reason,
                "created_at": each.created,
            },
        )
