"""Customers: their rows locked, leased and marked deleted; made at Stripe when first needed.

Every process that acts for a customer at Stripe (an attempt, a change, a cancellation, a card, a
page, a deletion) holds the one lease on its row meanwhile. Looking and writing down what was seen
need none.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils import timezone

from identity.errors import InvalidAccessToken
from subscriptions.errors import (
    AttemptInProgress,
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    IdempotencyMismatch,
    ReplayedFailure,
)
from subscriptions.models import Customer, Subscription
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.client import (
    BUDGET_SECONDS,
    release_db_connection,
    time_budget,
)
from subscriptions.sync.subscription_rows import choose_current, mark_subscription_deleted
from users.mirror import mirror_user
from users.models import User

# Longer than the budget for Stripe, so that a lease that ran out means a dead process.
LEASE = timedelta(seconds=BUDGET_SECONDS + 5)
# The worker leases a customer for a few tenths of a second after events, such as those that follow
# the user's own request. The user's next request waits for that instead of being refused.
BRIEF = timedelta(seconds=2)
_PAUSE_SECONDS = 0.05

_log = logging.getLogger(__name__)

Leased = TypeVar("Leased")


class _LeasedJustNow(AttemptInProgress):
    """Another process has acted for the customer for less than `BRIEF`."""


def lock_customer(user_id: UUID) -> Customer:
    """Lock the row of a user's customer, making it first if need be; call in a transaction."""
    rows = (
        Customer.objects.select_related("user")
        .select_for_update(of=("self",))
        .filter(user_id=user_id, deleted_at=None)
    )
    known = rows.first()
    if known is not None:
        return known
    if not User.objects.filter(id=user_id).exists():
        # The feed has not brought the user yet.
        mirror_user(user_id)
    Customer.objects.bulk_create([Customer(user_id=user_id)], ignore_conflicts=True)
    return rows.get()


def lock_customer_of_caller(user_id: UUID) -> Customer:
    """Lock the row of a caller's customer before something new begins; call in a transaction.

    Raises:
        InvalidAccessToken: The user was deactivated a moment ago. Nothing may begin that a
            deletion under way would not see, or it would be billed forever.
    """
    customer = lock_customer(user_id)
    if not customer.user.is_active:
        raise InvalidAccessToken("revoked")
    return customer


def lock_row(customer: Customer) -> Customer:
    """Lock a customer's row and return it as it is now; call in a transaction."""
    return Customer.objects.select_for_update().get(pk=customer.pk)


def take_lease(customer: Customer) -> None:
    """Let this process alone act for a customer; call with the row locked.

    Raises:
        AttemptInProgress: Another process does.
    """
    now = timezone.now()
    if customer.leased_until is not None and customer.leased_until > now:
        left = customer.leased_until - now
        refusal = _LeasedJustNow if left > LEASE - BRIEF else AttemptInProgress
        raise refusal(retry_after_seconds=int(left.total_seconds()) + 1)
    customer.leased_until = now + LEASE
    Customer.objects.filter(pk=customer.pk).update(leased_until=customer.leased_until)


def after_brief_lease(action: Callable[[], Leased]) -> Leased:
    """Do what takes a lease; while another process has held it for less than `BRIEF`, wait.

    Args:
        action: Takes the lease in a transaction of its own.

    Raises:
        AttemptInProgress: Another process has held the lease for longer, or others took it in turn
            for that long: a hundred clicks do not keep a hundred threads waiting.
    """
    until = time.monotonic() + BRIEF.total_seconds()
    while True:
        try:
            return action()
        except _LeasedJustNow:
            if time.monotonic() > until:
                raise
            release_db_connection()
            time.sleep(_PAUSE_SECONDS)


def give_back_lease(customer: Customer) -> None:
    """End a lease, unless it ran out and another process has taken the next one."""
    Customer.objects.filter(pk=customer.pk, leased_until=customer.leased_until).update(
        leased_until=None
    )


@contextlib.contextmanager
def acting_for(customer: Customer) -> Iterator[Customer]:
    """Hold the lease on a customer, and a connection to Stripe, inside the block.

    Yields:
        The row as it is now.

    Raises:
        AttemptInProgress: Another process acts for the customer.
    """
    with time_budget():
        row = after_brief_lease(partial(_lease, customer))
        try:
            yield row
        finally:
            give_back_lease(row)


@transaction.atomic
def _lease(customer: Customer) -> Customer:
    row = lock_row(customer)
    take_lease(row)
    return row


def next_ticket() -> int:
    """Return a number higher than that of every look that has begun."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('subscriptions_look_ticket')")
        ticket: int = cursor.fetchone()[0]
        return ticket


def contact_of(user: User) -> dict[str, str]:
    """Return the name and e-mail address that Stripe may have of a user, as far as there are any.

    A user whom the feed has not brought yet, or who is being deleted, has none: what stands for a
    name then is ours alone. auth-service accepts no colon in a username.
    """
    if ":" in user.username or user.deletion_requested_at or user.anonymised_at:
        return {}
    return {"name": user.username, **({"email": user.email} if user.email else {})}


def note_stripe_id(
    customer: Customer, stripe_customer_id: str, *, contact: dict[str, str] | None = None
) -> None:
    """Tie a row to the customer that was made for it, unless it has been tied already.

    Args:
        customer: Our row.
        stripe_customer_id: `cus_…`.
        contact: What was sent of the user.
    """
    rows = Customer.objects.filter(pk=customer.pk)
    sent = {f"{name}_at_stripe": value for name, value in (contact or {}).items()}
    if rows.filter(stripe_customer_id=None).update(stripe_customer_id=stripe_customer_id, **sent):
        customer.stripe_customer_id = stripe_customer_id
    else:
        customer.stripe_customer_id = rows.values_list("stripe_customer_id", flat=True).get()


@transaction.atomic
def take_place_of(earlier: Customer, *, customer: Customer) -> None:
    """Let a leased row stand for the customer of an earlier row that was marked deleted wrongly.

    Args:
        earlier: Exists at Stripe after all; its subscriptions and cards move to the other row.
        customer: The user's row of now, which has no customer at Stripe yet.
    """
    customer.stripe_customer_id = earlier.stripe_customer_id
    earlier.subscriptions.update(customer=customer)
    earlier.payment_methods.update(customer=customer)
    Customer.objects.filter(pk=earlier.pk).update(stripe_customer_id=None)
    Customer.objects.filter(pk=customer.pk).update(
        stripe_customer_id=customer.stripe_customer_id, sync_version=0
    )


def forget_page(customer: Customer, *, session: str) -> None:
    """Note that a checkout page is closed."""
    Customer.objects.filter(pk=customer.pk, checkout_session=session).update(checkout_session="")


def mark_deleted(row: Customer, *, cause: str) -> None:
    """Keep the row of a customer that was deleted at Stripe, and end its subscriptions here.

    Only Stripe's `deleted: true` or a deletion event is a reason; "not found" is none.

    Args:
        row: Our row, locked.
        cause: For the timeline.
    """
    # A look that began before this one, when the customer was still there, is not written.
    row.sync_version, row.synced_at = next_ticket(), timezone.now()
    row.deleted_at = row.deleted_at or row.synced_at
    row.name_at_stripe = row.email_at_stripe = ""
    row.save(
        update_fields=[
            *("sync_version", "synced_at", "deleted_at", "name_at_stripe", "email_at_stripe")
        ]
    )
    row.payment_methods.filter(detached_at=None).update(
        detached_at=row.deleted_at, is_default=False
    )
    rows = list(Subscription.objects.filter(user_id=row.user_id))
    for subscription in rows:
        if subscription.customer_id == row.pk:
            mark_subscription_deleted(subscription, cause=cause)
    choose_current(rows)


def heal(row: Customer) -> None:
    """Take back that a customer is deleted: Stripe has it, and it can be billed.

    A user has one customer that is not marked deleted; where another one has taken its place, the
    row stays marked and the comparison with Stripe reports it.
    """
    if row.deleted_at is None:
        return
    if Customer.objects.filter(user_id=row.user_id, deleted_at=None).exists():
        _log.warning(
            "A customer marked deleted exists at Stripe, beside the user's other one",
            extra={"stripe_customer_id": row.stripe_customer_id},
        )
        return
    row.deleted_at = None


def make_at_stripe(customer: Customer) -> None:
    """Make the customer of a leased row at Stripe, and note its id.

    It has no card, which could change between two calls: under one key that is a mismatch, and the
    first customer stays behind. An earlier customer of the user that was marked
    deleted and exists after all is used instead.
    """
    if _use_earlier(customer):
        return
    # One key for the row, so that a crash in between makes no second customer. The user's id
    # tells it from a row that had the number before a backup was restored.
    key = f"customer:{customer.user_id}:{customer.pk}"
    user_id, contact = str(customer.user_id), contact_of(customer.user)
    create = partial(stripe_customers.create_bare_customer, user_id=user_id, contact=contact)
    try:
        made = create(key=key)
    except (ReplayedFailure, IdempotencyMismatch):
        # One that this call cannot reach may exist; nothing is ever billed to it.
        made = create(key=f"{key}:{uuid4()}")
    note_stripe_id(customer, made.id, contact=contact)


def _use_earlier(customer: Customer) -> bool:
    earlier = Customer.objects.filter(user_id=customer.user_id, deleted_at__isnull=False)
    for row in earlier.exclude(stripe_customer_id=None):
        with contextlib.suppress(CustomerDeletedAtStripe, CustomerNotVisible):
            stripe_customers.fetch_customer(row.stripe_customer_id or "")
            take_place_of(row, customer=customer)
            return True
    return False
