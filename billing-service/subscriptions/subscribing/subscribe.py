"""Subscribes a user exactly once, whatever dies on the way.

Three steps: a short transaction opens an attempt; Stripe is called with no transaction open and
with keys made of the attempt's id; a short transaction writes the outcome and closes the attempt.
An attempt whose process died, or whose outcome Stripe did not tell, stays open and is driven to
its end by the same code under the same keys: at the user's next call, a webhook or a sweep.
"""

import contextlib
import logging
import time
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from errors import BillingError
from subscriptions import card_testing
from subscriptions.errors import (
    CardDeclined,
    CustomerUnfinished,
    PaymentGatewayUnavailable,
    RepeatedRefusal,
    TooManyCardFailures,
)
from subscriptions.models import Customer, SubscribeAttempt, Subscription
from subscriptions.statuses import LIVE
from subscriptions.stripe_gateway.client import BUDGET_SECONDS, recorded_calls, time_budget
from subscriptions.subscribing import attempts
from subscriptions.subscribing.attempts import KEYS_ARE_GOOD_FOR, State, Wish
from subscriptions.subscribing.customers import ensure_customer
from subscriptions.subscribing.stripe_steps import CustomerGone, Result, find_outcome, run_steps
from subscriptions.sync.writer import bury_customer, save_answer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a try ended that was not refused."""

    state: str
    # Lets the customer's browser complete the authentication; never stored. None: ask Stripe.
    client_secret: str | None = None


def subscribe(wish: Wish) -> Outcome:
    """Subscribe a user, or finish what an earlier call of theirs began.

    Args:
        wish: Who wants what, paid how.

    Raises:
        AlreadySubscribed: There is a live subscription.
        AttemptInProgress: Another request of the user is being worked on.
        CardDeclined: The card was refused; another try may follow at once.
        TooManyCardFailures: Too many cards were refused lately.
        PaymentGatewayUnavailable: Stripe is away; the same call may be repeated.
    """
    # Begun here, so that waiting for a turn with Stripe leaves no attempt open.
    with time_budget():
        return _subscribe(wish)


def _subscribe(wish: Wish) -> Outcome:
    try:
        card_testing.refuse_if_too_many_failures(
            user_id=wish.user_id, source=wish.source, payment_method=wish.payment_method
        )
    except TooManyCardFailures:
        # Being told again how a try ended is no further try.
        repeated = attempts.closed_under_key(wish)
        if repeated is None:
            raise
        return _repeat(repeated)
    try:
        attempt = attempts.open_attempt(wish)
    except CustomerUnfinished:
        ensure_customer(wish.user_id)
        attempt = attempts.open_attempt(wish)
    if attempt.state != State.OPEN:
        return _repeat(attempt)
    if attempt.request_hash != wish.request_hash:
        # What the user asked for before comes first: only Stripe knows whether it was done.
        _settle(attempt)
        return _subscribe(wish)
    try:
        return finish(attempt)
    except CustomerGone:
        return _subscribe(wish)


def finish(attempt: SubscribeAttempt) -> Outcome:
    """Drive an open try, leased by the caller, to its end.

    Args:
        attempt: The try.

    Raises:
        CustomerGone: Stripe no longer has the customer; the try is closed, a new one may begin.
        PaymentGatewayUnavailable: The try stays open under the same keys.
        BillingError: Any other refusal has closed the try.
    """
    customer = attempt.customer
    with recorded_calls() as calls, time_budget():
        try:
            result = _result(attempt)
            _write_down(attempt, customer=customer, result=result, calls=calls)
        except PaymentGatewayUnavailable:
            attempts.give_back(attempt, calls=calls)
            raise
        except CustomerGone:
            _bury(customer, attempt=attempt, calls=calls)
            raise
    if result.refusal is not None:
        raise result.refusal
    return Outcome(state=attempt.state, client_secret=result.client_secret or None)


def finish_stale(*, user_id: UUID | None = None, seconds: float = BUDGET_SECONDS) -> int:
    """Finish open tries whose process is gone; return how many were looked at.

    Args:
        user_id: This user's alone; None for everybody's.
        seconds: Begin no further one after that time; a slow Stripe takes long for each.
    """
    now, ends_at, count = timezone.now(), time.monotonic() + seconds, 0
    while attempt := attempts.take_over_stale(now, user_id=user_id):
        count += 1
        # It stays open, and the next sweep comes back to it.
        with contextlib.suppress(PaymentGatewayUnavailable):
            _settle(attempt)
        if time.monotonic() > ends_at:
            break
    return count


def _result(attempt: SubscribeAttempt) -> Result:
    if timezone.now() - attempt.created_at > KEYS_ARE_GOOD_FOR:
        return find_outcome(attempt)
    return run_steps(attempt)


def _write_down(
    attempt: SubscribeAttempt,
    *,
    customer: Customer,
    result: Result,
    calls: list[dict[str, str]],
) -> None:
    """Write what Stripe answered and close the try, in one transaction."""

    def close_attempt() -> None:
        attempts.close(
            attempt,
            state=_final_state(result),
            calls=calls,
            stripe_subscription_id=result.stripe_subscription_id,
            refusal=result.refusal,
        )
        if isinstance(result.refusal, CardDeclined):
            card_testing.remember_failure(
                user_id=attempt.user_id,
                source=attempt.source,
                payment_method=attempt.payment_method_reference,
                fingerprint=result.fingerprint,
                code=result.refusal.members["decline_code"],
            )

    cause = f"attempt {attempt.pk}"
    save_answer(customer, truth=result.truth, cause=cause, also=close_attempt)


def _final_state(result: Result) -> str:
    """Return the state a try ends in; the bank may have said yes since Stripe answered."""
    if result.state == State.REQUIRES_ACTION and _lives(result.stripe_subscription_id):
        return State.SUCCEEDED
    return result.state


def _lives(stripe_subscription_id: str) -> bool:
    rows = Subscription.objects.filter(stripe_subscription_id=stripe_subscription_id)
    return rows.filter(stripe_status__in=LIVE).exists()


def _repeat(attempt: SubscribeAttempt) -> Outcome:
    """Answer a repeated Idempotency-Key as its first call was answered."""
    if attempt.refusal is not None:
        raise RepeatedRefusal(attempt.refusal)
    return Outcome(state=attempt.state)


def _settle(attempt: SubscribeAttempt) -> None:
    """Finish a try whose user is not waiting; being refused is an end like any other.

    Raises:
        PaymentGatewayUnavailable: The try stays open.
    """
    try:
        finish(attempt)
    except PaymentGatewayUnavailable:
        raise
    except (BillingError, CustomerGone) as refusal:
        _log.info(
            "A try to subscribe was finished without success",
            extra={"attempt": str(attempt.pk), "refusal": type(refusal).__name__},
        )


def _bury(customer: Customer, *, attempt: SubscribeAttempt, calls: list[dict[str, str]]) -> None:
    """Make the row of a customer deleted at Stripe a tombstone, and let a new try begin."""
    with transaction.atomic():
        bury_customer(customer, cause=f"attempt {attempt.pk}")
        attempts.close(attempt, state=State.SUPERSEDED, calls=calls)
