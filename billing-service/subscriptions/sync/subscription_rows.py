"""Turns one of Stripe's subscriptions into our row; used by `sync` alone."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from subscriptions.models import Customer, Subscription, SubscriptionChange, SubscriptionProduct
from subscriptions.statuses import ENDED, access_end
from subscriptions.stripe_gateway.objects import StripePrice, StripeSubscription

# What a person reading a timeline wants to see change.
_TOLD = ("stripe_status", "price_reference", "cancel_at_period_end", "current_period_end")
# An event's type or a product's name may be longer; a timeline is no reason to fail.
_LONGEST_CAUSE = 64


def write_subscription(
    row: Subscription,
    *,
    found: StripeSubscription,
    customer: Customer,
    cause: str,
    grace: timedelta,
) -> Subscription:
    """Insert or update the row of one subscription, and note what changed.

    Args:
        row: Our row, or a new one.
        found: What Stripe says.
        customer: Whose it is; locked by the caller.
        cause: For the timeline.
        grace: How long `past_due` still gives access.
    """
    before = _told(row) if row.pk else {}
    row.stripe_subscription_id = found.id
    row.customer, row.user_id = customer, customer.user_id
    for name, value in _columns(found, row=row, grace=grace).items():
        setattr(row, name, value)
    row.save()
    _note_change(row, before=before, cause=cause)
    return row


def says_the_same(row: Subscription, *, found: StripeSubscription, grace: timedelta) -> bool:
    """Tell whether our row holds just what Stripe's answer says.

    Args:
        row: Our row.
        found: What Stripe says.
        grace: How long `past_due` still gives access.
    """
    return not differences(row, found=found, grace=grace)


def differences(
    row: Subscription, *, found: StripeSubscription, grace: timedelta
) -> dict[str, tuple[Any, Any]]:
    """Return the columns that disagree, each with our value and Stripe's.

    Args:
        row: Our row.
        found: What Stripe says.
        grace: How long `past_due` still gives access.
    """
    columns = _columns(found, row=row, grace=grace)
    del columns["synced_at"]
    return {
        name: (getattr(row, name), value)
        for name, value in columns.items()
        if getattr(row, name) != value
    }


def tombstone(row: Subscription, *, cause: str) -> None:
    """Keep the row of a subscription that Stripe no longer knows; it ended at the latest now.

    Args:
        row: Our row.
        cause: For the timeline.
    """
    if row.deleted_at is not None:
        return
    before, now = _told(row), timezone.now()
    row.deleted_at, row.synced_at = now, now
    if row.stripe_status not in ENDED:
        row.stripe_status, row.ended_at, row.access_until = "canceled", now, now
    row.save()
    _note_change(row, before=before, cause=cause)


def choose_current(rows: Collection[Subscription]) -> None:
    """Mark the one subscription a user's status is about.

    The live one; else one that may still become live; else the newest. So a `deleted` event for
    an old subscription leaves the live one alone, and one that was replaced within the same second
    (Stripe's times have no finer grain) does not hide its successor.

    Args:
        rows: All of the user's, whose customer row the caller has locked.
    """
    if not rows:
        return
    best = max(rows, key=_rank)
    if best.is_current:
        return
    for row in rows:
        if row.is_current:
            Subscription.objects.filter(pk=row.pk).update(is_current=False)
    Subscription.objects.filter(pk=best.pk).update(is_current=True)


def _rank(row: Subscription) -> tuple[bool, bool, datetime, int]:
    return row.is_live, row.stripe_status not in ENDED, row.purchased_at, row.pk


def _columns(found: StripeSubscription, *, row: Subscription, grace: timedelta) -> dict[str, Any]:
    price, invoice = found.price, found.latest_invoice
    price_id = price.id if price else ""
    return {
        "stripe_status": found.status,
        "stripe_item_id": found.item_id,
        "product_id": _product_id(price, row=row) if price else None,
        "price_reference": price_id,
        "pending_price_reference": found.pending_price_id,
        "unit_amount": price.unit_amount if price else None,
        "currency": price.currency if price else "",
        "interval": price.interval if price else "",
        "interval_count": price.interval_count if price else 1,
        "current_period_start": found.current_period_start,
        "current_period_end": found.current_period_end,
        "cancel_at_period_end": found.cancel_at_period_end,
        "cancel_at": found.cancel_at,
        "ended_at": found.ended_at,
        "access_until": _access_until(found, row=row, grace=grace),
        "latest_invoice_id": invoice.id if invoice else "",
        "latest_invoice_status": invoice.status if invoice else "",
        "hosted_invoice_url": invoice.hosted_invoice_url if invoice else "",
        "payment_method_reference": found.payment_method_id,
        "purchased_at": found.created,
        "synced_at": timezone.now(),
        "deleted_at": None,
    }


def _access_until(
    found: StripeSubscription, *, row: Subscription, grace: timedelta
) -> datetime | None:
    invoice = found.latest_invoice
    until = access_end(
        found.status,
        period_end=found.current_period_end,
        unpaid_since=invoice.created if invoice else None,
        ended_at=found.ended_at,
        grace=grace,
    )
    still_unpaid = found.status == row.stripe_status == "past_due"
    if still_unpaid and until is not None and row.access_until is not None:
        # A further invoice that is not paid either gives no further grace.
        return min(until, row.access_until)
    return until


def _product_id(price: StripePrice, *, row: Subscription) -> int | None:
    if row.product_id is not None and row.price_reference == price.id:
        # What was sold does not change.
        return row.product_id
    product = _product_of(price)
    return None if product is None else product.pk


def _product_of(price: StripePrice) -> SubscriptionProduct | None:
    """Find what was sold: by the price, else by Stripe's product if that is one of ours alone.

    Whoever subscribed before a product got another price keeps the old price and the product.
    """
    known = SubscriptionProduct.objects
    exact = known.filter(price_reference=price.id).first()
    if exact is not None or not price.stripe_product_id:
        return exact
    candidates = list(known.filter(stripe_product_id=price.stripe_product_id)[:2])
    return candidates[0] if len(candidates) == 1 else None


def _told(row: Subscription) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _TOLD}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _note_change(row: Subscription, *, before: dict[str, Any], cause: str) -> None:
    after = _told(row)
    changed = [name for name in _TOLD if before.get(name) != after[name]]
    if changed:
        SubscriptionChange.objects.create(
            subscription=row,
            cause=cause[:_LONGEST_CAUSE],
            before={name: before[name] for name in changed if name in before},
            after={name: after[name] for name in changed},
        )
