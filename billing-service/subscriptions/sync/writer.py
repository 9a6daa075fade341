"""Looks at a customer at Stripe and writes down what was seen; nothing else writes Stripe's state.

No transaction is open while Stripe is asked. Each look takes a ticket before it begins, from one
sequence, and is written under the row's lock only if no look with a later ticket has been: the
later one began after this one, so it has seen all that this one has.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from subscriptions.catalogue.products import Catalogue
from subscriptions.errors import CustomerDeletedAtStripe, CustomerNotVisible
from subscriptions.models import Customer, PaymentMethod, SubscribeAttempt, Subscription
from subscriptions.statuses import IN_GOOD_STANDING, LIVE
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.objects import (
    StripeCustomer,
    StripePaymentMethod,
    StripeSubscription,
)
from subscriptions.sync.customer_rows import (
    heal,
    lock_customer,
    lock_row,
    mark_deleted,
    next_ticket,
)
from subscriptions.sync.subscription_rows import choose_current, write_subscription
from users.mirror import resume_deletion
from users.models import User

CARD_COLUMNS = (
    *("customer", "brand", "last4", "exp_month", "exp_year"),
    *("fingerprint", "is_default", "detached_at"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StripeSnapshot:
    """What a look found: all subscriptions of a customer, and the rest if it was asked for."""

    stripe_customer_id: str
    ticket: int
    began_at: datetime
    deleted: bool = False
    subscriptions: Sequence[StripeSubscription] = ()
    # None: the look was for the subscriptions alone.
    customer: StripeCustomer | None = None
    payment_methods: Sequence[StripePaymentMethod] = ()

    @property
    def default_payment_method_id(self) -> str:
        """The card that pays: the customer's default, else that of a live subscription."""
        if self.customer is not None and self.customer.default_payment_method_id:
            return self.customer.default_payment_method_id
        return next(
            (each.payment_method_id for each in self.subscriptions if each.status in LIVE), ""
        )


class Refreshed(NamedTuple):
    """A customer's row, what a look found, and whether a subscription turned good just now."""

    customer: Customer
    snapshot: StripeSnapshot
    has_begun: bool


def look(stripe_customer_id: str, *, everything: bool) -> StripeSnapshot:
    """Look at a customer at Stripe, and write nothing.

    Args:
        everything: The customer and its cards as well; otherwise the subscriptions alone, which
            is one call.

    Raises:
        CustomerNotVisible: Our key does not reach such a customer. That proves nothing about it.
    """
    ticket, began_at = next_ticket(), timezone.now()
    snapshot = StripeSnapshot(
        stripe_customer_id=stripe_customer_id, ticket=ticket, began_at=began_at
    )
    try:
        customer = stripe_customers.fetch_customer(stripe_customer_id) if everything else None
        found = stripe_subscriptions.fetch_subscriptions_of(stripe_customer_id)
        cards = stripe_customers.fetch_payment_methods(stripe_customer_id) if everything else ()
    except CustomerDeletedAtStripe:
        return replace(snapshot, deleted=True)
    return replace(
        snapshot, subscriptions=tuple(found), customer=customer, payment_methods=tuple(cards)
    )


def refresh_customer(
    stripe_customer_id: str, *, cause: str, everything: bool = True
) -> Refreshed | None:
    """Look at a customer and make our rows say what Stripe says.

    Args:
        stripe_customer_id: `cus_…`; it may be new to us.
        cause: For the timeline, such as an event's type.
        everything: As for `look`.

    Returns:
        Our row and what was found, or None if the customer belongs to none of our users.

    Raises:
        CustomerNotVisible: Our key does not reach such a customer.
    """
    customer = _find_or_adopt(stripe_customer_id)
    if customer is None:
        return None
    # Only the customer itself says that it is not deleted after all.
    whole = everything or customer.deleted_at is not None
    snapshot = look(stripe_customer_id, everything=whole)
    with transaction.atomic():
        row = lock_row(customer)
        has_begun = write(row, snapshot, cause=cause)
    return Refreshed(row, snapshot, has_begun)


def write(row: Customer, snapshot: StripeSnapshot, *, cause: str) -> bool:
    """Write what a look found, unless a later look has been written.

    Args:
        row: The customer's row, locked.
        snapshot: What was found.
        cause: For the timeline.

    Returns:
        Whether a subscription turned good just now.
    """
    if snapshot.ticket <= row.sync_version or row.stripe_customer_id != snapshot.stripe_customer_id:
        return False
    if snapshot.deleted:
        mark_deleted(row, cause=cause)
        return False
    row.sync_version, row.synced_at = snapshot.ticket, timezone.now()
    if snapshot.customer is not None:
        heal(row)
        _write_payment_methods(row, snapshot)
    row.save(update_fields=["sync_version", "synced_at", "deleted_at"])
    begun = _write_subscriptions(row, snapshot.subscriptions, cause=cause)
    for each in begun:
        _close_attempt_of(each)
    return bool(begun)


def write_made(
    row: Customer,
    made: StripeSubscription,
    *,
    card: StripePaymentMethod | None,
    default_card: str,
    cause: str,
) -> None:
    """Write the answer to the creation of a subscription, which saves a look.

    It is no look: what a look that is under way finds is still written after it. Nothing that
    looked before the creation can contradict it, since what a look does not find it leaves alone.

    Args:
        row: The customer's row, locked and without a look written since the attempt was opened.
        made: What Stripe answered; not a repeated answer.
        card: The card that was attached for it.
        default_card: The customer's default card; without one, the subscription's card pays.
        cause: For the timeline.
    """
    if card is not None:
        _save_cards(row, [card], default=default_card or card.id)
    _write_subscriptions(row, [made], cause=cause)


def _find_or_adopt(stripe_customer_id: str) -> Customer | None:
    known = Customer.objects.filter(stripe_customer_id=stripe_customer_id).first()
    return known or _adopt(stripe_customer_id)


def _adopt(stripe_customer_id: str) -> Customer | None:
    """Find the user a customer was made for before we could write its id down.

    Customers of other applications in the same account are left alone: only our own metadata key
    counts, and only with a user whom auth-service knows.
    """
    try:
        found = stripe_customers.fetch_customer(stripe_customer_id)
    except CustomerDeletedAtStripe:
        return None
    except CustomerNotVisible:
        # A database without customers follows any key, so it may be the wrong one.
        if not Customer.objects.exclude(stripe_customer_id=None).exists():
            raise
        return None
    user_id = known_users([found.user_id]).get(found.user_id)
    if user_id is None:
        return None
    with transaction.atomic():
        customer = lock_customer(user_id)
        if customer.user.anonymised_at is not None:
            # Deleted before we knew of the customer, who would be billed forever.
            resume_deletion(user_id)
        if customer.stripe_customer_id in (None, stripe_customer_id):
            Customer.objects.filter(pk=customer.pk).update(stripe_customer_id=stripe_customer_id)
            return customer
    _log.warning(
        "A user has two customers at Stripe",
        extra={"user_id": str(user_id), "stripe_customer_id": stripe_customer_id},
    )
    return None


def _write_payment_methods(row: Customer, snapshot: StripeSnapshot) -> None:
    _save_cards(row, snapshot.payment_methods, default=snapshot.default_payment_method_id)
    attached = [card.id for card in snapshot.payment_methods]
    # One that was attached while we looked may be missing in what we found.
    row.payment_methods.filter(detached_at=None, created_at__lt=snapshot.began_at).exclude(
        stripe_payment_method_id__in=attached
    ).update(detached_at=timezone.now(), is_default=False)


def _save_cards(row: Customer, cards: Sequence[StripePaymentMethod], *, default: str) -> None:
    PaymentMethod.objects.bulk_create(
        [
            PaymentMethod(
                customer=row,
                stripe_payment_method_id=card.id,
                brand=card.brand,
                last4=card.last4,
                exp_month=card.exp_month,
                exp_year=card.exp_year,
                fingerprint=card.fingerprint,
                is_default=card.id == default,
            )
            for card in cards
        ],
        update_conflicts=True,
        unique_fields=["stripe_payment_method_id"],
        update_fields=CARD_COLUMNS,
    )


def _write_subscriptions(
    row: Customer, found: Sequence[StripeSubscription], *, cause: str
) -> list[StripeSubscription]:
    """Write subscriptions and choose the current one; return those that turned good just now."""
    known = Subscription.objects.filter(user_id=row.user_id).prefetch_related("items")
    rows = {each.stripe_subscription_id: each for each in known}
    catalogue, began = Catalogue(), []
    for each in found:
        # A user's first is the current one, so it need not be made that afterwards.
        stored = rows.get(each.id) or Subscription(is_current=not rows)
        if stored.stripe_status not in IN_GOOD_STANDING and each.status in IN_GOOD_STANDING:
            began.append(each)
        rows[each.id] = write_subscription(
            stored, found=each, customer=row, catalogue=catalogue, cause=cause
        )
    choose_current(rows.values())
    return began


def _close_attempt_of(found: StripeSubscription) -> None:
    """Close the attempt that made a subscription which is live now."""
    attempt_id = as_uuid(found.attempt_id)
    if attempt_id is None:
        return
    SubscribeAttempt.objects.filter(
        pk=attempt_id,
        state__in=(
            SubscribeAttempt.State.OPEN,
            SubscribeAttempt.State.REQUIRES_ACTION,
            SubscribeAttempt.State.FAILED,
        ),
    ).update(
        state=SubscribeAttempt.State.SUCCEEDED,
        refusal=None,
        stripe_subscription_id=found.id,
        closed_at=timezone.now(),
    )


def known_users(named: Iterable[str]) -> dict[str, UUID]:
    """Return which texts name a user of ours, such as what stands in a customer's metadata."""
    ids = {text: user_id for text in named if (user_id := as_uuid(text)) is not None}
    known = set(User.objects.filter(pk__in=ids.values()).values_list("pk", flat=True))
    return {text: user_id for text, user_id in ids.items() if user_id in known}


def as_uuid(text: str) -> UUID | None:
    """Read a UUID out of metadata, where any text may stand."""
    try:
        return UUID(text)
    except ValueError:
        return None
