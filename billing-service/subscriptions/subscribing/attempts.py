"""Tries to subscribe in the database: opened, leased, closed; each in one short transaction."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from errors import BillingError
from subscriptions.errors import (
    AlreadySubscribed,
    AttemptInProgress,
    CustomerUnfinished,
    IdempotencyKeyReused,
    refusal_as_json,
)
from subscriptions.models import Customer, SubscribeAttempt, Subscription
from subscriptions.statuses import LIVE
from subscriptions.stripe_gateway.client import BUDGET_SECONDS
from subscriptions.sync.writer import lock_customer_of_caller

# Longer than the budget for Stripe, so that a lease that ran out means a dead process.
LEASE = timedelta(seconds=BUDGET_SECONDS + 5)
# Stripe forgets idempotency keys after 24 hours; past this a key must not be sent again.
KEYS_ARE_GOOD_FOR = timedelta(hours=23)

# An absent Stripe is called again each minute.
_CALLS_KEPT = 50

State = SubscribeAttempt.State
_OUTCOME = (
    *("state", "calls", "closed_at"),
    *("stripe_subscription_id", "refusal", "idempotency_key"),
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a user asks for when subscribing."""

    user_id: UUID
    product_name: str
    price_reference: str
    payment_method: str
    source: str | None = None
    idempotency_key: str | None = None

    @property
    def request_hash(self) -> str:
        """Tell two different requests under one Idempotency-Key apart."""
        asked_for = f"{self.product_name}\n{self.payment_method}"
        return hashlib.sha256(asked_for.encode()).hexdigest()


def open_attempt(wish: Wish) -> SubscribeAttempt:
    """Open a try, or take over one that nobody works on any more.

    The returned try may be closed already (a repeated Idempotency-Key), or be an earlier one with
    another wish, which has to be finished before this one can begin.

    Args:
        wish: What the user asks for.

    Raises:
        AlreadySubscribed: There is a live subscription.
        AttemptInProgress: Another process works on a try of this user, or makes the customer.
        CustomerUnfinished: Whoever made the customer is gone; finish that first.
        IdempotencyKeyReused: The key came with another wish.
        InvalidAccessToken: The user was switched off a moment ago.
    """
    with transaction.atomic():
        customer = lock_customer_of_caller(wish.user_id)
        repeated = _repeated(wish)
        if repeated is not None and repeated.state != State.OPEN:
            return repeated
        refuse_second_subscription(wish.user_id)
        refuse_while_made(customer)
        if customer.making_until is not None and customer.stripe_customer_id is None:
            raise CustomerUnfinished
        unfinished = (
            SubscribeAttempt.objects.select_for_update()
            .filter(user_id=wish.user_id, state=State.OPEN)
            .first()
        )
        if unfinished is None:
            return _create(wish, customer=customer)
        return _take_over(unfinished, wish=wish)


def closed_under_key(wish: Wish) -> SubscribeAttempt | None:
    """Return the try that was made and ended under the wish's Idempotency-Key.

    Args:
        wish: What the user asks for.

    Raises:
        IdempotencyKeyReused: The key came with another wish.
    """
    attempt = _repeated(wish)
    return None if attempt is None or attempt.state == State.OPEN else attempt


def refuse_open_attempt(user_id: UUID) -> None:
    """Let nothing begin beside a try to subscribe; call with the customer's row locked.

    Raises:
        AttemptInProgress: There is an open one.
    """
    if SubscribeAttempt.objects.filter(user_id=user_id, state=State.OPEN).exists():
        raise AttemptInProgress(retry_after_seconds=5)


def refuse_while_made(customer: Customer) -> None:
    """Let nothing begin while the customer is being made; call with its row locked.

    Raises:
        AttemptInProgress: Somebody holds the row.
    """
    now = timezone.now()
    if customer.stripe_customer_id is None and (customer.making_until or now) > now:
        raise _in_progress(until=customer.making_until or now, now=now)


def refuse_second_subscription(user_id: UUID) -> None:
    """Let nobody subscribe twice; call with the customer's row locked.

    Raises:
        AlreadySubscribed: There is a live subscription.
    """
    if Subscription.objects.filter(
        user_id=user_id, is_current=True, stripe_status__in=LIVE
    ).exists():
        raise AlreadySubscribed


def take_over_stale(now: datetime, *, user_id: UUID | None = None) -> SubscribeAttempt | None:
    """Lease one open try whose holder is gone, or return None.

    Args:
        now: Leases that ended before are stale.
        user_id: Look at this user's try alone.
    """
    stale = SubscribeAttempt.objects.filter(state=State.OPEN, leased_until__lt=now)
    if user_id is not None:
        stale = stale.filter(user_id=user_id)
    with transaction.atomic():
        attempt = stale.select_for_update(skip_locked=True).order_by("leased_until").first()
        return None if attempt is None else _take_over(attempt)


def give_back(attempt: SubscribeAttempt, *, calls: list[dict[str, str]]) -> None:
    """End the lease of a try that stays open, so that the user's next call can go on with it.

    Args:
        attempt: The try.
        calls: What was sent to Stripe meanwhile.
    """
    SubscribeAttempt.objects.filter(pk=attempt.pk, state=State.OPEN).update(
        leased_until=timezone.now(), calls=(attempt.calls + calls)[-_CALLS_KEPT:]
    )


def close(
    attempt: SubscribeAttempt,
    *,
    state: str,
    calls: list[dict[str, str]],
    stripe_subscription_id: str = "",
    refusal: BillingError | None = None,
) -> None:
    """Write down how a try ended.

    Args:
        attempt: The try.
        state: Its final state.
        calls: What was sent to Stripe since the last time.
        stripe_subscription_id: What it made, if anything.
        refusal: What the user was told, for a repeated Idempotency-Key.
    """
    attempt.state = State(state)
    attempt.calls = attempt.calls + calls
    attempt.closed_at = timezone.now()
    attempt.stripe_subscription_id = stripe_subscription_id
    attempt.refusal = None if refusal is None else refusal_as_json(refusal)
    if state == State.SUPERSEDED:
        # The try that replaces it carries the caller's key on.
        attempt.idempotency_key = None
    attempt.save(update_fields=_OUTCOME)


def _repeated(wish: Wish) -> SubscribeAttempt | None:
    if not wish.idempotency_key:
        return None
    attempt = SubscribeAttempt.objects.filter(
        user_id=wish.user_id, idempotency_key=wish.idempotency_key
    ).first()
    if attempt is not None and attempt.request_hash != wish.request_hash:
        raise IdempotencyKeyReused
    return attempt


def _create(wish: Wish, *, customer: Customer) -> SubscribeAttempt:
    return SubscribeAttempt.objects.create(
        user_id=wish.user_id,
        customer=customer,
        product_name=wish.product_name,
        price_reference=wish.price_reference,
        payment_method_reference=wish.payment_method,
        stripe_customer_id=customer.stripe_customer_id or "",
        request_hash=wish.request_hash,
        idempotency_key=wish.idempotency_key,
        source=wish.source,
        leased_until=timezone.now() + LEASE,
    )


def _take_over(attempt: SubscribeAttempt, *, wish: Wish | None = None) -> SubscribeAttempt:
    now = timezone.now()
    if attempt.leased_until > now:
        raise _in_progress(until=attempt.leased_until, now=now)
    attempt.leased_until = now + LEASE
    attempt.resumed = True
    if wish is not None and wish.idempotency_key and attempt.request_hash == wish.request_hash:
        # Whoever asks now is whom the answer may get lost to.
        attempt.idempotency_key = wish.idempotency_key
    attempt.save(update_fields=["leased_until", "resumed", "idempotency_key"])
    return attempt


def _in_progress(*, until: datetime, now: datetime) -> AttemptInProgress:
    return AttemptInProgress(retry_after_seconds=int((until - now).total_seconds()) + 1)
