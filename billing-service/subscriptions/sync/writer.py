"""The only writer of what Stripe says: subscribe, webhooks, admin and reconcile all come here.

No transaction is open while Stripe is asked. Instead a writer remembers the customer's
`sync_version` from before it asked and, under the row lock, writes only if nobody else wrote
since; otherwise it asks again. So an answer that was overtaken can never undo a newer one.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from identity.errors import InvalidAccessToken
from subscriptions.errors import MissingAtStripe
from subscriptions.models import (
    Customer,
    PaymentMethod,
    SubscribeAttempt,
    Subscription,
)
from subscriptions.statuses import IN_GOOD_STANDING
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.objects import (
    StripeCustomer,
    StripePaymentMethod,
    StripeSubscription,
)
from subscriptions.sync.subscription_rows import (
    choose_current,
    says_the_same,
    tombstone,
    write_subscription,
)
from users.mirror import mirror_user

_MAX_TRIES = 5
_SAID_OF_CARDS = (
    *("customer", "brand", "last4", "exp_month", "exp_year"),
    *("fingerprint", "is_default", "detached_at"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What Stripe was found to say about one customer; None stands for "was not asked"."""

    subscriptions: Sequence[StripeSubscription] = ()
    # Whether `subscriptions` are all there are, so that a row without one is a tombstone.
    complete: bool = False
    customer: StripeCustomer | None = None
    payment_methods: Sequence[StripePaymentMethod] | None = None


class Overtaken(Exception):
    """Somebody wrote newer state since this answer was asked for."""


def _nothing() -> None:
    return None


def refresh_customer(
    stripe_customer_id: str, *, cause: str, with_payment_methods: bool = True
) -> Customer | None:
    """Make our rows of one customer say what Stripe says now.

    Args:
        stripe_customer_id: `cus_…`; it may be new to us, or gone at Stripe.
        cause: For the timeline, such as an event's type.
        with_payment_methods: False asks for the subscriptions alone, in a single call.

    Returns:
        Our row, or None if the customer belongs to none of our users.
    """
    customer = _find_or_adopt(stripe_customer_id)
    if customer is None:
        return None

    def ask() -> Truth:
        return _ask(stripe_customer_id, with_payment_methods=with_payment_methods)

    try:
        return _write_unless_overtaken(customer, ask=ask, cause=cause)
    except MissingAtStripe:
        bury_customer(customer, cause=cause)
        return customer


def fetch_truth(stripe_customer_id: str) -> Truth:
    """Ask Stripe for everything about one customer, and write nothing.

    Args:
        stripe_customer_id: `cus_…`.

    Raises:
        MissingAtStripe: There is no such customer.
    """
    return _ask(stripe_customer_id, with_payment_methods=True)


def save_answer(
    customer: Customer, *, truth: Truth, cause: str, also: Callable[[], None] = _nothing
) -> None:
    """Write what a call at Stripe answered; ask again if that was overtaken meanwhile.

    Args:
        customer: As read *before* the call, so that its `sync_version` is from then.
        truth: What the call answered.
        cause: For the timeline.
        also: Runs in the same transaction as the write.
    """
    try:
        write(customer, truth=truth, cause=cause, also=also)
    except Overtaken:
        stripe_customer_id = customer.stripe_customer_id or _id_in(truth)

        def ask() -> Truth:
            found = stripe_subscriptions.fetch_subscriptions_of(stripe_customer_id)
            return replace(truth, subscriptions=found, complete=False)

        fresh = Customer.objects.get(pk=customer.pk)
        _write_unless_overtaken(fresh, ask=ask, cause=cause, also=also)


def write(
    customer: Customer, *, truth: Truth, cause: str, also: Callable[[], None] = _nothing
) -> Customer:
    """Write one consistent answer of Stripe in one transaction.

    Args:
        customer: As read before Stripe was asked.
        truth: What Stripe answered.
        cause: For the timeline.
        also: Runs in the same transaction.

    Raises:
        Overtaken: The row was written to since it was read, and says something else.
    """
    with transaction.atomic():
        row = Customer.objects.select_for_update().get(pk=customer.pk)
        rows = _subscriptions_of(row.user_id)
        if row.sync_version != customer.sync_version and not _stored_already(truth, rows=rows):
            raise Overtaken
        if _is_about_another(row, truth=truth):
            truth = Truth()
        _write_customer(row, truth=truth)
        _write_payment_methods(row, truth=truth)
        _write_subscriptions(row, truth=truth, rows=rows, cause=cause)
        also()
        return row


def _write_unless_overtaken(
    customer: Customer,
    *,
    ask: Callable[[], Truth],
    cause: str,
    also: Callable[[], None] = _nothing,
) -> Customer:
    for _ in range(_MAX_TRIES - 1):
        try:
            return write(customer, truth=ask(), cause=cause, also=also)
        except Overtaken:
            customer = Customer.objects.get(pk=customer.pk)
    return write(customer, truth=ask(), cause=cause, also=also)


def _stored_already(truth: Truth, *, rows: dict[str, Subscription]) -> bool:
    """Whether the newer write said just what this answer says, so that nothing is lost."""
    return not truth.complete and all(
        found.id in rows and says_the_same(rows[found.id], found=found, grace=_grace())
        for found in truth.subscriptions
    )


def _is_about_another(row: Customer, *, truth: Truth) -> bool:
    """Whether an answer is about another customer than the row's; nothing of it belongs here."""
    found = _id_in(truth)
    if not found or row.stripe_customer_id in (None, found):
        return False
    _log.error(
        "An answer about another customer was not written",
        extra={"stripe_customer_id": found, "customer": row.stripe_customer_id},
    )
    return True


def _ask(stripe_customer_id: str, *, with_payment_methods: bool) -> Truth:
    found = stripe_subscriptions.fetch_subscriptions_of(stripe_customer_id)
    if not with_payment_methods:
        return Truth(subscriptions=found, complete=True)
    customer = stripe_customers.fetch_customer(stripe_customer_id)
    cards = [] if customer.deleted else stripe_customers.fetch_payment_methods(stripe_customer_id)
    return Truth(subscriptions=found, complete=True, customer=customer, payment_methods=cards)


def _find_or_adopt(stripe_customer_id: str) -> Customer | None:
    known = Customer.objects.filter(stripe_customer_id=stripe_customer_id).first()
    return known or _adopt(stripe_customer_id)


def _adopt(stripe_customer_id: str) -> Customer | None:
    """Find the user a customer was made for before we could write its id down."""
    try:
        found = stripe_customers.fetch_customer(stripe_customer_id)
    except MissingAtStripe:
        return None
    user_id = _uuid(found.user_id)
    if found.deleted or user_id is None:
        return None
    with transaction.atomic():
        customer = lock_customer(user_id)
        if customer.stripe_customer_id in (None, stripe_customer_id):
            Customer.objects.filter(pk=customer.pk).update(stripe_customer_id=stripe_customer_id)
            return customer
    _log.warning(
        "A user has two customers at Stripe",
        extra={"user_id": str(user_id), "stripe_customer_id": stripe_customer_id},
    )
    return None


def lock_customer(user_id: uuid.UUID) -> Customer:
    """Lock the row of a user's customer, making it first if need be; call in a transaction."""
    rows = Customer.objects.select_for_update().filter(user_id=user_id, deleted_at=None)
    known = rows.first()
    if known is not None:
        return known
    mirror_user(user_id)
    Customer.objects.bulk_create([Customer(user_id=user_id)], ignore_conflicts=True)
    return rows.get()


def lock_customer_of_caller(user_id: uuid.UUID) -> Customer:
    """Lock the row of a caller's customer before something new begins; call in a transaction.

    Args:
        user_id: Whom the token names.

    Raises:
        InvalidAccessToken: The user was switched off a moment ago. Nothing may begin that a
            deletion under way would not see, or it would be billed for ever.
    """
    customer = lock_customer(user_id)
    if not customer.user.is_active:
        raise InvalidAccessToken("revoked")
    return customer


def bury_customer(customer: Customer, *, cause: str) -> None:
    """Keep a customer that Stripe no longer has as a tombstone, its subscriptions too.

    Args:
        customer: Our row.
        cause: For the timeline.
    """
    with transaction.atomic():
        row = Customer.objects.select_for_update().get(pk=customer.pk)
        row.deleted_at = row.deleted_at or timezone.now()
        row.sync_version += 1
        row.save(update_fields=["deleted_at", "sync_version"])
        row.payment_methods.filter(detached_at=None).update(detached_at=row.deleted_at)
        rows = _subscriptions_of(row.user_id)
        for subscription in rows.values():
            if subscription.customer_id == row.pk:
                tombstone(subscription, cause=cause)
        choose_current(rows.values())


def _write_customer(row: Customer, *, truth: Truth) -> None:
    now = timezone.now()
    row.stripe_customer_id = row.stripe_customer_id or _id_in(truth) or None
    row.sync_version += 1
    row.synced_at = now
    if truth.customer is not None and truth.customer.deleted:
        row.deleted_at = row.deleted_at or now
    row.save(update_fields=["stripe_customer_id", "sync_version", "synced_at", "deleted_at"])


def _write_payment_methods(row: Customer, *, truth: Truth) -> None:
    if truth.payment_methods is None:
        return
    default = truth.customer.default_payment_method_id if truth.customer else ""
    cards = [
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
        for card in truth.payment_methods
    ]
    PaymentMethod.objects.bulk_create(
        cards,
        update_conflicts=True,
        unique_fields=["stripe_payment_method_id"],
        update_fields=_SAID_OF_CARDS,
    )
    if truth.complete:
        attached = [card.id for card in truth.payment_methods]
        row.payment_methods.filter(detached_at=None).exclude(
            stripe_payment_method_id__in=attached
        ).update(detached_at=timezone.now(), is_default=False)


def _write_subscriptions(
    row: Customer, *, truth: Truth, rows: dict[str, Subscription], cause: str
) -> None:
    for found in truth.subscriptions:
        # A user's first is the current one; so it need not be made that afterwards.
        stored = rows.get(found.id) or Subscription(is_current=not rows)
        # Whoever saw it live first has closed its try in that same transaction.
        is_news = stored.stripe_status not in IN_GOOD_STANDING
        rows[found.id] = write_subscription(
            stored, found=found, customer=row, cause=cause, grace=_grace()
        )
        if is_news:
            _settle_attempt(found)
    if truth.complete or row.deleted_at is not None:
        named = {found.id for found in truth.subscriptions}
        for missing in rows.values():
            if missing.customer_id == row.pk and missing.stripe_subscription_id not in named:
                tombstone(missing, cause=cause)
    choose_current(rows.values())


def _subscriptions_of(user_id: uuid.UUID) -> dict[str, Subscription]:
    """Return a user's subscriptions by Stripe's ids, earlier customers' tombstones included."""
    rows = Subscription.objects.filter(user_id=user_id)
    return {each.stripe_subscription_id: each for each in rows}


def _settle_attempt(found: StripeSubscription) -> None:
    """Close the try that made a subscription which now lives, whoever is first to see it."""
    attempt_id = _uuid(found.attempt_id)
    if attempt_id is None or found.status not in IN_GOOD_STANDING:
        return
    SubscribeAttempt.objects.filter(
        pk=attempt_id,
        state__in=(SubscribeAttempt.State.OPEN, SubscribeAttempt.State.REQUIRES_ACTION),
    ).update(
        state=SubscribeAttempt.State.SUCCEEDED,
        stripe_subscription_id=found.id,
        closed_at=timezone.now(),
    )


def _grace() -> timedelta:
    return timedelta(days=settings.BILLING.past_due_grace_days)


def _id_in(truth: Truth) -> str:
    if truth.customer is not None:
        return truth.customer.id
    return truth.subscriptions[0].stripe_customer_id if truth.subscriptions else ""


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
