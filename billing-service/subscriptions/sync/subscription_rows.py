"""Turns one of Stripe's subscriptions into our row; used by `sync` alone."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from subscriptions.catalogue.products import Catalogue
from subscriptions.models import Customer, Subscription, SubscriptionChange
from subscriptions.statuses import ENDED, IN_GOOD_STANDING, LIVE
from subscriptions.stripe_gateway.objects import StripeItem, StripeSubscription

# What a person who reads a timeline wants to see change.
TRACKED_FIELDS = (
    *("stripe_status", "price_reference", "cancel_at_period_end", "cancel_at"),
    *("current_period_end", "collection_paused", "open_dispute"),
)
# An event's type or a product's name may be longer; a timeline is no reason to fail.
_LONGEST_CAUSE = 64


def ours_among(found: Collection[StripeSubscription]) -> tuple[StripeSubscription, ...]:
    """Return the subscriptions of our catalogue; others in the account are not ours to touch."""
    if not found:
        return ()
    catalogue = Catalogue()
    known = set(
        Subscription.objects.filter(
            stripe_subscription_id__in=[each.id for each in found], is_ours=True
        ).values_list("stripe_subscription_id", flat=True)
    )
    return tuple(each for each in found if each.id in known or catalogue.has_sold(each))


def write_subscription(
    row: Subscription,
    *,
    found: StripeSubscription,
    customer: Customer,
    catalogue: Catalogue,
    cause: str,
) -> Subscription:
    """Insert or update the row of one subscription, and note what changed.

    Args:
        row: Our row, or a new one.
        found: What Stripe says.
        customer: Whose it is; locked by the caller.
        catalogue: What is ours.
        cause: For the timeline.
    """
    before = _tracked(row) if row.pk else {}
    row.stripe_subscription_id = found.id
    row.customer, row.user_id = customer, customer.user_id
    for name, value in _columns(found, row=row, catalogue=catalogue).items():
        setattr(row, name, value)
    row.is_current = row.is_current and row.is_ours
    row.save()
    _note_change(row, before=before, cause=cause)
    return row


def differences(row: Subscription, *, found: StripeSubscription) -> dict[str, tuple[Any, Any]]:
    """Return the columns that disagree, each with our value and Stripe's."""
    columns = _columns(found, row=row, catalogue=Catalogue())
    del columns["synced_at"]
    return {
        name: (getattr(row, name), value)
        for name, value in columns.items()
        if getattr(row, name) != value
    }


def write_open_dispute(row: Subscription, dispute: str, *, cause: str) -> None:
    """Note which dispute about a payment of a subscription is open; empty for none."""
    before, row.open_dispute = _tracked(row), dispute
    row.save(update_fields=["open_dispute"])
    _note_change(row, before=before, cause=cause)


def mark_subscription_deleted(row: Subscription, *, cause: str) -> None:
    """Keep the row of a subscription that went with its customer; it ended at the latest now."""
    if row.deleted_at is not None:
        return
    before, now = _tracked(row), timezone.now()
    row.deleted_at, row.synced_at = now, now
    if row.stripe_status not in ENDED:
        row.stripe_status, row.ended_at, row.access_until = "canceled", now, now
    row.save()
    _note_change(row, before=before, cause=cause)


def choose_current(rows: Collection[Subscription]) -> None:
    """Mark the one subscription of ours that a user's status is about, if there is one.

    One that is paid; else one that Stripe may still bill; else one that may still begin; else the
    newest. So the end of an old subscription leaves the live one alone, a newer one that is not
    paid does not hide an older one that is, and one that was replaced within the same second
    (Stripe's times have no finer grain) does not hide its successor.
    """
    best = max((row for row in rows if row.is_ours), key=_rank, default=None)
    if best is not None and best.is_current:
        return
    for row in rows:
        if row.is_current:
            Subscription.objects.filter(pk=row.pk).update(is_current=False)
    if best is not None:
        Subscription.objects.filter(pk=best.pk).update(is_current=True)


def _rank(row: Subscription) -> tuple[int, datetime, int]:
    better_than_none = (
        row.stripe_status not in ENDED,
        row.stripe_status in LIVE,
        row.stripe_status in IN_GOOD_STANDING | {"past_due"},
        row.stripe_status in IN_GOOD_STANDING,
    )
    return sum(better_than_none), row.purchased_at, row.pk


def _columns(
    found: StripeSubscription, *, row: Subscription, catalogue: Catalogue
) -> dict[str, Any]:
    is_known = row.product_id is not None and any(
        item.price.id == row.price_reference for item in found.items
    )
    item = _plan_item(found, row=row, catalogue=catalogue, is_known=is_known)
    price, invoice = item.price if item else None, found.latest_invoice
    return {
        "stripe_status": found.status,
        "is_ours": is_known or catalogue.has_sold(found),
        "stripe_item_id": item.id if item else "",
        "product_id": row.product_id if is_known else catalogue.product_id(price),
        "price_reference": price.id if price else "",
        "pending_price_reference": found.pending_price_id,
        "unit_amount": price.unit_amount if price else None,
        "currency": price.currency if price else "",
        "interval": price.interval if price else "",
        "interval_count": price.interval_count if price else 1,
        "current_period_start": item.current_period_start if item else None,
        "current_period_end": item.current_period_end if item else None,
        "cancel_at_period_end": found.cancel_at_period_end,
        "cancel_at": found.cancel_at,
        "ended_at": found.ended_at,
        "access_until": _access_until(found, row=row, item=item),
        "latest_invoice_id": invoice.id if invoice else "",
        "latest_invoice_status": invoice.status if invoice else "",
        "hosted_invoice_url": invoice.hosted_invoice_url if invoice else "",
        "payment_method_reference": found.payment_method_id,
        "collection_paused": found.collection_paused,
        "purchased_at": found.created,
        "synced_at": timezone.now(),
        "deleted_at": None,
    }


def _plan_item(
    found: StripeSubscription, *, row: Subscription, catalogue: Catalogue, is_known: bool
) -> StripeItem | None:
    """Choose the item that is the plan: what was sold, else what we sell, else the first."""
    if is_known:
        return next(item for item in found.items if item.price.id == row.price_reference)
    sold = (item for item in found.items if catalogue.product_id(item.price) is not None)
    return next(sold, found.items[0] if found.items else None)


def _access_until(
    found: StripeSubscription, *, row: Subscription, item: StripeItem | None
) -> datetime | None:
    invoice = found.latest_invoice
    until = access_end(
        found.status,
        period_end=item.current_period_end if item else None,
        unpaid_since=(invoice.due_date or invoice.created) if invoice else None,
        ended_at=found.ended_at,
        cancel_at=found.cancel_at,
        grace=timedelta(days=settings.BILLING.past_due_grace_days),
    )
    still_unpaid = found.status == row.stripe_status == "past_due"
    if still_unpaid and until is not None and row.access_until is not None:
        # A further invoice that is not paid either gives no further grace.
        return min(until, row.access_until)
    return until


def _tracked(row: Subscription) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in TRACKED_FIELDS}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _note_change(row: Subscription, *, before: dict[str, Any], cause: str) -> None:
    after = _tracked(row)
    changed = [name for name in TRACKED_FIELDS if before.get(name) != after[name]]
    if changed:
        SubscriptionChange.objects.create(
            subscription=row,
            cause=cause[:_LONGEST_CAUSE],
            before={name: before[name] for name in changed if name in before},
            after={name: after[name] for name in changed},
        )


def access_end(
    stripe_status: str,
    *,
    period_end: datetime | None,
    unpaid_since: datetime | None,
    ended_at: datetime | None,
    cancel_at: datetime | None,
    grace: timedelta,
) -> datetime | None:
    """Return until when a subscription gives access in its current state, or None for never.

    Args:
        stripe_status: Stripe's `subscription.status`.
        period_end: End of the paid period.
        unpaid_since: When the invoice that is not paid was due, or made if it was to be charged.
        ended_at: When Stripe ended the subscription.
        cancel_at: When Stripe will end it, which may be before the period's end.
        grace: How long `past_due` still gives access.
    """
    if stripe_status == "canceled":
        return ended_at
    if stripe_status in IN_GOOD_STANDING:
        until = period_end
    elif stripe_status == "past_due" and unpaid_since is not None:
        until = unpaid_since + grace
    else:
        return None
    return min(until, cancel_at) if until and cancel_at else until
