"""What differs between a customer's rows and what a look at Stripe found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from subscriptions.models import Customer
from subscriptions.statuses import ENDED, LIVE
from subscriptions.sync.subscription_rows import differences, ours_among
from subscriptions.sync.writer import StripeSnapshot


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not the same here and at Stripe."""

    stripe_customer_id: str
    object_id: str
    what: str
    ours: str = ""
    stripes: str = ""
    # Whether a fix marks something deleted or ended here, or takes it away from a user.
    loss: bool = False
    # Whether it was gone after our rows had been brought in line with Stripe.
    repaired: bool = False


def compare(customer: Customer, *, snapshot: StripeSnapshot) -> list[Difference]:
    """Compare one customer's rows with what a look at everything found."""
    if snapshot.deleted or customer.deleted_at is not None:
        return list(_compare_deletion(customer, snapshot=snapshot))
    return [
        *_compare_customer(customer, snapshot=snapshot),
        *_compare_subscriptions(customer, snapshot=snapshot),
        *_compare_payment_methods(customer, snapshot=snapshot),
    ]


def _compare_deletion(customer: Customer, *, snapshot: StripeSnapshot) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    if snapshot.deleted and customer.deleted_at is None:
        yield Difference(
            stripe_customer_id=name, object_id=name, what="deleted at Stripe", loss=True
        )
    if customer.deleted_at is not None and not snapshot.deleted:
        yield Difference(
            stripe_customer_id=name, object_id=name, what="marked deleted, but exists at Stripe"
        )


def _compare_customer(customer: Customer, *, snapshot: StripeSnapshot) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    live = [found.id for found in ours_among(snapshot.subscriptions) if found.status in LIVE]
    if len(live) > 1:
        yield Difference(
            stripe_customer_id=name,
            object_id=name,
            what="more than one live subscription",
            stripes=", ".join(live),
        )


def _compare_subscriptions(customer: Customer, *, snapshot: StripeSnapshot) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    stored = customer.subscriptions.prefetch_related("items")
    rows = {row.stripe_subscription_id: row for row in stored}
    for found in snapshot.subscriptions:
        row = rows.pop(found.id, None)
        if row is None:
            yield Difference(
                stripe_customer_id=name, object_id=found.id, what="subscription unknown here"
            )
            continue
        for column, (ours, stripes) in differences(row, found=found).items():
            yield Difference(
                stripe_customer_id=name,
                object_id=found.id,
                what=column,
                ours=str(ours),
                stripes=str(stripes),
                loss=_takes_away(column, ours=ours, stripes=stripes),
            )
    for row in rows.values():
        if row.stripe_status not in ENDED:
            yield Difference(
                stripe_customer_id=name,
                object_id=row.stripe_subscription_id,
                what="subscription unknown at Stripe",
            )


def _takes_away(column: str, *, ours: Any, stripes: Any) -> bool:
    if column == "stripe_status":
        return stripes in ENDED and ours not in ENDED
    return (column == "is_ours" or column.startswith("item ")) and not stripes


def _compare_payment_methods(
    customer: Customer, *, snapshot: StripeSnapshot
) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    rows = {
        row.stripe_payment_method_id: row
        for row in customer.payment_methods.filter(detached_at=None)
    }
    default = snapshot.default_payment_method_id
    for card in snapshot.payment_methods:
        row = rows.pop(card.id, None)
        if row is None:
            what = "payment method unknown here"
        elif row.is_default != (card.id == default):
            what = "default payment method"
        else:
            continue
        yield Difference(stripe_customer_id=name, object_id=card.id, what=what)
    for missing in rows:
        yield Difference(
            stripe_customer_id=name,
            object_id=missing,
            what="payment method detached at Stripe",
            loss=True,
        )
