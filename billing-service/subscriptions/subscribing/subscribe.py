"""Subscribes a user exactly once, whatever dies on the way.

Four steps: guard against card testing, open the attempt, drive it to its end, answer. An attempt
without an outcome stays open, and the same code drives it on: at the user's next call, after a
webhook, and once a minute in the worker.
"""

import logging
import time
from uuid import UUID

from django.utils import timezone

from errors import BillingError
from subscriptions import card_testing
from subscriptions.errors import AttemptInProgress, RepeatedRefusal, TooManyCardFailures
from subscriptions.models import SubscribeAttempt
from subscriptions.stripe_gateway.client import BUDGET_SECONDS, time_budget
from subscriptions.subscribing import attempts
from subscriptions.subscribing.attempts import SubscribeCommand
from subscriptions.subscribing.drive import drive
from subscriptions.subscribing.next_step import Outcome, State

# One for an earlier request of the user, one for a customer that was deleted at Stripe, ours.
_MAX_ATTEMPTS = 3

_log = logging.getLogger(__name__)


def subscribe(command: SubscribeCommand) -> Outcome:
    """Subscribe a user, or finish what an earlier call of theirs began.

    Raises:
        AlreadySubscribed: There is a live subscription.
        AttemptInProgress: Another request of the user is being processed.
        CardDeclined: The card was refused; another attempt may follow at once.
        PaymentUnderWay: The bank is still processing an earlier payment.
        TooManyCardFailures: Too many cards were refused lately.
        PaymentGatewayUnavailable: Stripe cannot be reached; the same call may be repeated.
    """
    # Begun here, so that waiting for a free connection to Stripe leaves no attempt open.
    with time_budget():
        for _ in range(_MAX_ATTEMPTS):
            attempt = _admit(command)
            if attempt.state != State.OPEN:
                return _answer_again(attempt)
            outcome = drive(attempt)
            if attempt.request_hash != command.request_hash:
                continue
            if outcome.refusal is not None:
                raise outcome.refusal
            if outcome.state != State.SUPERSEDED:
                return outcome
    raise AttemptInProgress(retry_after_seconds=5)


def recover(*, user_id: UUID | None = None, seconds: float = BUDGET_SECONDS) -> int:
    """Drive open attempts whose process is gone; return how many were driven.

    Args:
        user_id: This user's alone; None for all.
        seconds: Begin no further one after that time; a slow Stripe takes long for each.
    """
    ends_at, count = time.monotonic() + seconds, 0
    for attempt_id in attempts.stale(timezone.now(), user_id=user_id):
        attempt = attempts.take_over(attempt_id)
        if attempt is not None:
            count += 1
            _drive_unattended(attempt)
        if time.monotonic() > ends_at:
            break
    return count


def _admit(command: SubscribeCommand) -> SubscribeAttempt:
    """Return the attempt to drive, or one that was closed under the same Idempotency-Key."""
    try:
        card_testing.refuse_if_too_many_failures(
            user_id=command.user_id,
            source=command.client_ip,
            payment_method=command.payment_method,
        )
    except TooManyCardFailures:
        # Repeating a request under its key tries no further card.
        repeated = attempts.closed_under_key(command)
        if repeated is None:
            raise
        return repeated
    return attempts.open_attempt(command)


def _answer_again(attempt: SubscribeAttempt) -> Outcome:
    """Answer a repeated Idempotency-Key as its first call was answered."""
    if attempt.refusal is not None:
        raise RepeatedRefusal(attempt.refusal)
    return Outcome(state=attempt.state)


def _drive_unattended(attempt: SubscribeAttempt) -> None:
    try:
        state, code = drive(attempt).state, ""
    except BillingError as refusal:
        # It stays open, and the next sweep comes back to it.
        state, code = State.OPEN, refusal.code
    _log.info(
        "An attempt was taken up without its user",
        extra={"attempt": str(attempt.pk), "state": state, "code": code},
    )
