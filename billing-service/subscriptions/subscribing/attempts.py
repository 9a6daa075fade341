"""Attempts to subscribe in the database: opened, taken over, closed; each in one transaction.

An attempt is driven by the process that holds the lease on its customer. Beside that, its row
says until when a call of it may reach Stripe (`leased_until`) and until when it may make a new
charge (`charge_until`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Least
from django.utils import timezone

from subscriptions.errors import (
    AttemptInProgress,
    IdempotencyKeyReused,
    refusal_as_json,
)
from subscriptions.models import Customer, SubscribeAttempt, Subscription
from subscriptions.status import refusal_to_subscribe
from subscriptions.statuses import LIVE
from subscriptions.subscribing.next_step import Outcome, State
from subscriptions.sync.customer_rows import (
    LEASE,
    give_back_lease,
    lock_customer_of_caller,
    take_lease,
)

# After its user last asked for it, an attempt makes a new charge for this long and no longer.
CHARGED_FOR = timedelta(minutes=5)
# Until then a call whose answer was lost may still be carried out.
FENCE = timedelta(seconds=60)
# Stripe forgets idempotency keys after 24 hours; past this a key must not be sent again.
KEYS_ARE_GOOD_FOR = timedelta(hours=23)
# One that waits for Stripe is driven once a minute; the last calls explain what happened.
_CALLS_KEPT = 50


@dataclass(frozen=True, kw_only=True)
class SubscribeCommand:
    """What a user asks for when subscribing."""

    user_id: UUID
    product_name: str
    price_reference: str
    payment_method: str
    client_ip: str | None = None
    idempotency_key: str | None = None

    @property
    def request_hash(self) -> str:
        """Tell two different requests under one Idempotency-Key apart."""
        asked_for = f"{self.product_name}\n{self.payment_method}"
        return hashlib.sha256(asked_for.encode()).hexdigest()


def open_attempt(command: SubscribeCommand) -> SubscribeAttempt:
    """Open an attempt and lease its customer, or take over an open one.

    The attempt may be closed (a repeated Idempotency-Key), or be for an earlier request of the
    user; that one is brought to its end first, and not charged for any more.

    Raises:
        AlreadySubscribed: There is a live subscription.
        AttemptInProgress: Another process acts for this user.
        IdempotencyKeyReused: The key came with another request.
        InvalidAccessToken: The user was deactivated a moment ago.
    """
    with transaction.atomic():
        customer = lock_customer_of_caller(command.user_id)
        repeated = _repeated(command)
        if repeated is not None and repeated.state != State.OPEN:
            return repeated
        refuse_second_subscription(command.user_id)
        unfinished = SubscribeAttempt.objects.filter(
            user_id=command.user_id, state=State.OPEN
        ).first()
        if unfinished is not None:
            _refuse_while_driven(unfinished)
        take_lease(customer)
        if unfinished is None:
            return _create(command, customer=customer)
        if unfinished.request_hash == command.request_hash:
            unfinished.charge_until = timezone.now() + CHARGED_FOR
            # The answer that may get lost next is this caller's.
            unfinished.idempotency_key = command.idempotency_key or unfinished.idempotency_key
        else:
            unfinished.charge_until = timezone.now()
        return _take_over(unfinished, customer=customer)


def closed_under_key(command: SubscribeCommand) -> SubscribeAttempt | None:
    """Return the attempt that was made and closed under the command's Idempotency-Key.

    Raises:
        IdempotencyKeyReused: The key came with another request.
    """
    attempt = _repeated(command)
    return None if attempt is None or attempt.state == State.OPEN else attempt


def refuse_open_attempt(user_id: UUID) -> None:
    """Let nothing begin beside an attempt to subscribe; call with the customer's row locked.

    Raises:
        AttemptInProgress: There is an open one.
    """
    if SubscribeAttempt.objects.filter(user_id=user_id, state=State.OPEN).exists():
        raise AttemptInProgress(retry_after_seconds=5)


def refuse_second_subscription(user_id: UUID) -> None:
    """Let no user subscribe twice; call with the customer's row locked.

    Raises:
        AlreadySubscribed: There is a live subscription.
    """
    live = Subscription.objects.filter(user_id=user_id, is_current=True, stripe_status__in=LIVE)
    if (row := live.first()) is not None:
        raise refusal_to_subscribe(row)


def stale(now: datetime, *, user_id: UUID | None = None) -> list[UUID]:
    """Return the open attempts that no process drives, the longest waiting first."""
    found = SubscribeAttempt.objects.filter(state=State.OPEN, leased_until__lt=now)
    if user_id is not None:
        found = found.filter(user_id=user_id)
    return list(found.order_by("leased_until").values_list("pk", flat=True))


def take_over(attempt_id: UUID) -> SubscribeAttempt | None:
    """Lease an open attempt for a process without a user, or return None if another drives it."""
    try:
        with transaction.atomic():
            customer = Customer.objects.select_for_update(of=("self",)).get(attempts=attempt_id)
            attempt = SubscribeAttempt.objects.filter(pk=attempt_id, state=State.OPEN).first()
            if attempt is None:
                return None
            _refuse_while_driven(attempt)
            take_lease(customer)
            if not customer.user.is_active:
                attempt.charge_until = timezone.now()
            return _take_over(attempt, customer=customer)
    except AttemptInProgress:
        return None


def may_charge(attempt: SubscribeAttempt) -> bool:
    """Whether a user asked for the attempt lately enough to make a new charge."""
    return timezone.now() < (attempt.charge_until or attempt.created_at + CHARGED_FOR)


def fence_seconds(attempt: SubscribeAttempt) -> int:
    """Return for how long a call of an earlier process may still be carried out."""
    return int((attempt.leased_until + FENCE - timezone.now()).total_seconds()) + 1


def keys_are_too_old(attempt: SubscribeAttempt) -> bool:
    """Whether Stripe may have forgotten what was sent under the attempt's keys."""
    return timezone.now() - attempt.created_at > KEYS_ARE_GOOD_FOR


def give_back(attempt: SubscribeAttempt, *, calls: Sequence[dict[str, str]]) -> None:
    """End the lease of an attempt that stays open, so that the next caller can drive it on."""
    now = timezone.now()
    with transaction.atomic():
        give_back_lease(attempt.customer)
        SubscribeAttempt.objects.filter(pk=attempt.pk, state=State.OPEN).update(
            leased_until=Least("leased_until", Value(now)),
            calls=[*attempt.calls, *calls][-_CALLS_KEPT:],
        )


def close(
    attempt: SubscribeAttempt, outcome: Outcome, *, calls: Sequence[dict[str, str]]
) -> Outcome:
    """Write down how an attempt ended, unless a webhook reported its success already.

    Args:
        outcome: How it ended; its refusal is repeated for the same Idempotency-Key.
        calls: What was sent to Stripe since the last time.

    Returns:
        The outcome that counts.
    """
    refusal = None if outcome.refusal is None else refusal_as_json(outcome.refusal)
    columns = {
        "state": outcome.state,
        "calls": [*attempt.calls, *calls],
        "closed_at": timezone.now(),
        "stripe_customer_id": attempt.customer.stripe_customer_id or "",
        "stripe_subscription_id": outcome.stripe_subscription_id,
        "refusal": refusal,
    }
    if outcome.state == State.SUPERSEDED:
        # The attempt that replaces it carries the caller's key on.
        columns["idempotency_key"] = None
    if SubscribeAttempt.objects.filter(pk=attempt.pk, state=State.OPEN).update(**columns):
        attempt.state = State(outcome.state)
        return outcome
    attempt.refresh_from_db(fields=["state", "stripe_subscription_id"])
    return Outcome(state=attempt.state, stripe_subscription_id=attempt.stripe_subscription_id)


def _repeated(command: SubscribeCommand) -> SubscribeAttempt | None:
    if not command.idempotency_key:
        return None
    attempt = SubscribeAttempt.objects.filter(
        user_id=command.user_id, idempotency_key=command.idempotency_key
    ).first()
    if attempt is not None and attempt.request_hash != command.request_hash:
        raise IdempotencyKeyReused
    return attempt


def _create(command: SubscribeCommand, *, customer: Customer) -> SubscribeAttempt:
    now = timezone.now()
    return SubscribeAttempt.objects.create(
        user_id=command.user_id,
        customer=customer,
        product_name=command.product_name,
        price_reference=command.price_reference,
        payment_method_reference=command.payment_method,
        stripe_customer_id=customer.stripe_customer_id or "",
        request_hash=command.request_hash,
        idempotency_key=command.idempotency_key,
        source=command.client_ip,
        leased_until=now + LEASE,
        charge_until=now + CHARGED_FOR,
    )


def _take_over(attempt: SubscribeAttempt, *, customer: Customer) -> SubscribeAttempt:
    attempt.customer, attempt.resumed = customer, True
    if may_charge(attempt):
        # Otherwise nothing is sent that could arrive late, and the fence goes on as it stands.
        attempt.leased_until = timezone.now() + LEASE
    attempt.save(update_fields=["leased_until", "charge_until", "resumed", "idempotency_key"])
    return attempt


def _refuse_while_driven(attempt: SubscribeAttempt) -> None:
    """Leave an attempt alone that a process of an earlier version, which leases no row, drives."""
    seconds = (attempt.leased_until - timezone.now()).total_seconds()
    if seconds > 0:
        raise AttemptInProgress(retry_after_seconds=int(seconds) + 1)
