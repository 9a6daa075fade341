"""Compares our rows of refunds and disputes with Stripe's."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from subscriptions.errors import StripeObjectNotFound
from subscriptions.models import Customer, Dispute, Refund
from subscriptions.statuses import OPEN_DISPUTE
from subscriptions.stripe_gateway.charges import (
    ReversedCharge,
    fetch_charge,
    pages_of_reversals,
)
from subscriptions.sync.comparison import Difference

# Events are at Stripe for 30 days; one that was lost is found for longer.
_LOOK_BACK = timedelta(days=90)
_ROWS: tuple[type[Refund] | type[Dispute], ...] = (Refund, Dispute)


def reversals_at_stripe() -> Iterator[list[ReversedCharge]]:
    """Yield what Stripe has of the last months, then older disputes that are open here."""
    since = timezone.now() - _LOOK_BACK
    yield from pages_of_reversals(since=since)
    still_open = Dispute.objects.filter(stripe_status__in=OPEN_DISPUTE, created_at__lt=since)
    charges = still_open.order_by("pk").values_list("stripe_charge_id", flat=True)
    for charge_id in list(dict.fromkeys(charges)):
        yield _disputes_of(charge_id)


def compare_reversals(found: Sequence[ReversedCharge]) -> list[tuple[str, Difference]]:
    """Return what differs, each with the id of its charge; charges of others do not count."""
    names = {each.stripe_customer_id for each in found}
    ours = set(
        Customer.objects.filter(stripe_customer_id__in=names, deleted_at=None).values_list(
            "stripe_customer_id", flat=True
        )
    )
    rows = {
        row.stripe_id: row
        for model in _ROWS
        for row in model.objects.filter(stripe_id__in=[each.reversal.id for each in found])
    }
    return [
        (each.charge_id, difference)
        for each in found
        if each.stripe_customer_id in ours
        for difference in _differences(each, row=rows.get(each.reversal.id))
    ]


def _differences(each: ReversedCharge, *, row: Refund | Dispute | None) -> Iterator[Difference]:
    stripes = {"stripe_status": each.reversal.status, "amount": str(each.reversal.amount)}
    if row is None:
        changed = {f"{each.kind} unknown here": ("", each.reversal.status)}
    else:
        ours = {"stripe_status": row.stripe_status, "amount": str(row.amount)}
        changed = {
            f"{each.kind} {name}": (ours[name], value)
            for name, value in stripes.items()
            if ours[name] != value
        }
    for what, (here, there) in changed.items():
        yield Difference(
            stripe_customer_id=each.stripe_customer_id,
            object_id=each.reversal.id,
            what=what,
            ours=here,
            stripes=there,
            loss=_may_end_a_subscription(each),
        )


def _may_end_a_subscription(each: ReversedCharge) -> bool:
    if each.kind == "refund":
        return settings.BILLING.refund_ends_access
    return settings.BILLING.dispute_ends_access and each.reversal.status == "lost"


def _disputes_of(charge_id: str) -> list[ReversedCharge]:
    try:
        charge = fetch_charge(charge_id)
    except StripeObjectNotFound:
        return []
    return [
        ReversedCharge(
            kind="dispute",
            stripe_customer_id=charge.stripe_customer_id,
            charge_id=charge_id,
            reversal=dispute,
        )
        for dispute in charge.disputes
    ]
