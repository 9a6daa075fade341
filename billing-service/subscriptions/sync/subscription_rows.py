"""Turns one of Stripe's subscriptions into our row; used by `sync` alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone

from subscriptions.catalogue.products import Catalogue
from subscriptions.models import (
    Customer,
    Subscription,
    SubscriptionChange,
    SubscriptionItem,
)
from subscriptions.statuses import ENDED, IN_GOOD_STANDING, LIVE
from subscriptions.stripe_gateway.objects import (
    StripeDiscount,
    StripeItem,
    StripeSubscription,
)

# What a person who reads a timeline wants to see change.
TRACKED_FIELDS = (
    *("stripe_status", "price_reference", "cancel_at_period_end", "cancel_at"),
    *("current_period_end", "collection_paused", "open_dispute"),
)
_ITEM_COLUMNS = (
    *("product_id", "price_reference", "quantity", "unit_amount_decimal", "currency"),
    *("interval", "interval_count", "current_period_end", "discounts"),
)
# Parts of an amount off, in the currency's smallest unit.
_PART = Decimal("0.0001")
# An event's type or a product's name may be longer; a timeline is no reason to fail.
_LONGEST_CAUSE = 64


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One of Stripe's items, and our product if it is one."""

    item: StripeItem
    product_id: int | None
    discounts: list[dict[str, str | None]]

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of its row."""
        price = self.item.price
        return {
            "product_id": self.product_id,
            "price_reference": price.id,
            "quantity": self.item.quantity,
            "unit_amount_decimal": price.unit_amount_decimal,
            "currency": price.currency,
            "interval": price.interval,
            "interval_count": price.interval_count,
            "current_period_end": self.item.current_period_end,
            "discounts": self.discounts,
        }


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
    stored = _stored_items(row)
    before = _tracked(row, stored) if row.pk else {}
    lines = _lines(found, row=row, stored=stored, catalogue=catalogue)
    row.stripe_subscription_id = found.id
    row.customer, row.user_id = customer, customer.user_id
    for name, value in _columns(found, row=row, lines=lines, catalogue=catalogue).items():
        setattr(row, name, value)
    row.is_current = row.is_current and row.is_ours
    row.save()
    items = _write_items(row, lines=lines, stored=stored)
    _note_change(row, before=before, after=_tracked(row, items), cause=cause)
    return row


def differences(row: Subscription, *, found: StripeSubscription) -> dict[str, tuple[Any, Any]]:
    """Return what disagrees, each with our value and Stripe's: columns, and columns of items."""
    stored, catalogue = _stored_items(row), Catalogue()
    lines = _lines(found, row=row, stored=stored, catalogue=catalogue)
    columns = _columns(found, row=row, lines=lines, catalogue=catalogue)
    del columns["synced_at"]
    return _differing(row, columns) | _differences_of_items(stored, lines=lines)


def _differing(
    row: Subscription | SubscriptionItem, columns: dict[str, Any], *, of: str = ""
) -> dict[str, tuple[Any, Any]]:
    return {
        f"{name}{of}": (getattr(row, name), value)
        for name, value in columns.items()
        if getattr(row, name) != value
    }


def _differences_of_items(
    stored: Sequence[SubscriptionItem], *, lines: Sequence[_Line]
) -> dict[str, tuple[Any, Any]]:
    rows, found = {each.stripe_item_id: each for each in stored}, dict[str, tuple[Any, Any]]()
    for line in lines:
        item = rows.pop(line.item.id, None)
        if item is None:
            found[f"item {line.item.id}"] = (
                "",
                _quantity_and_price(SubscriptionItem(**line.columns)),
            )
        else:
            found |= _differing(item, line.columns, of=f" of item {line.item.id}")
    return found | {f"item {name}": (_quantity_and_price(item), "") for name, item in rows.items()}


def write_open_dispute(row: Subscription, dispute: str, *, cause: str) -> None:
    """Note which dispute about a payment of a subscription is open; empty for none."""
    before, row.open_dispute = _tracked(row), dispute
    row.save(update_fields=["open_dispute"])
    _note_change(row, before=before, after=_tracked(row), cause=cause)


def mark_subscription_deleted(row: Subscription, *, cause: str) -> None:
    """Keep the row of a subscription that went with its customer; it ended at the latest now."""
    if row.deleted_at is not None:
        return
    before, now = _tracked(row), timezone.now()
    row.deleted_at, row.synced_at = now, now
    if row.stripe_status not in ENDED:
        row.stripe_status, row.ended_at, row.access_until = "canceled", now, now
    row.save()
    _note_change(row, before=before, after=_tracked(row), cause=cause)


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
    found: StripeSubscription, *, row: Subscription, lines: Sequence[_Line], catalogue: Catalogue
) -> dict[str, Any]:
    plan = _plan(lines, row=row, catalogue=catalogue)
    item = plan.item if plan else None
    price, invoice = item.price if item else None, found.latest_invoice
    return {
        "stripe_status": found.status,
        "is_ours": any(line.product_id for line in lines) or catalogue.has_sold(found),
        "stripe_item_id": item.id if item else "",
        "product_id": plan.product_id if plan else None,
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


def _plan(lines: Sequence[_Line], *, row: Subscription, catalogue: Catalogue) -> _Line | None:
    """Choose the item that is the plan: of ours, one that is offered, and was it before."""

    def rank(line: _Line) -> tuple[bool, bool, bool]:
        is_ours, was_plan = line.product_id is not None, line.item.id == row.stripe_item_id
        return is_ours, catalogue.offers(line.product_id), was_plan

    return max(lines, key=rank, default=None)


def _lines(
    found: StripeSubscription,
    *,
    row: Subscription,
    stored: Sequence[SubscriptionItem],
    catalogue: Catalogue,
) -> list[_Line]:
    # What was sold under a price stays that, whatever the catalogue says today.
    sold = {row.price_reference: row.product_id}
    sold |= {each.price_reference: each.product_id for each in stored}
    discounts = _discounts_by_item(found)
    return [
        _Line(
            item=item,
            product_id=sold.get(item.price.id) or catalogue.product_id(item.price),
            discounts=discounts[item.id],
        )
        for item in found.items
    ]


def _discounts_by_item(found: StripeSubscription) -> dict[str, list[dict[str, str | None]]]:
    """Return each item's own discounts, then its part of the subscription's."""
    amounts = {item.id: _amount(item) for item in found.items}
    total = sum(amounts.values())
    return {
        item.id: [
            *(_discount(each, part=Decimal(1)) for each in item.discounts),
            *(_discount(each, part=amounts[item.id] / total) for each in found.discounts if total),
        ]
        for item in found.items
    }


def _amount(item: StripeItem) -> Decimal:
    return (item.price.unit_amount_decimal or Decimal()) * (item.quantity or 0)


def _discount(discount: StripeDiscount, *, part: Decimal) -> dict[str, str | None]:
    percent, amount = discount.percent_off, discount.amount_off
    return {
        "percent_off": None if percent is None else str(percent),
        "amount_off": None if amount is None else str((amount * part).quantize(_PART)),
        "ends_at": discount.ends_at.isoformat() if discount.ends_at else None,
    }


def _stored_items(row: Subscription) -> list[SubscriptionItem]:
    return list(row.items.all()) if row.pk else []


def _write_items(
    row: Subscription, *, lines: Sequence[_Line], stored: Sequence[SubscriptionItem]
) -> Sequence[SubscriptionItem]:
    """Write all items of a subscription, if something has changed."""
    if not _differences_of_items(stored, lines=lines):
        return stored
    items = [
        SubscriptionItem(subscription=row, stripe_item_id=line.item.id, **line.columns)
        for line in lines
    ]
    SubscriptionItem.objects.bulk_create(
        items,
        update_conflicts=True,
        unique_fields=["stripe_item_id"],
        update_fields=_ITEM_COLUMNS,
    )
    gone = {each.stripe_item_id for each in stored} - {line.item.id for line in lines}
    if gone:
        row.items.filter(stripe_item_id__in=gone).delete()
    return items


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


def _tracked(row: Subscription, items: Sequence[SubscriptionItem] = ()) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in TRACKED_FIELDS}
    lines = [_quantity_and_price(each) for each in items]
    # That a plan is sold once goes without saying.
    values["items"] = None if lines == [f"1 x {row.price_reference}"] else ", ".join(lines)
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _note_change(
    row: Subscription, *, before: dict[str, Any], after: dict[str, Any], cause: str
) -> None:
    changed = [name for name in after if before.get(name) != after[name]]
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


def _quantity_and_price(item: SubscriptionItem) -> str:
    times = "" if item.quantity is None else f"{item.quantity} x "
    return f"{times}{item.price_reference}"
