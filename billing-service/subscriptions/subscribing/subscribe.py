"""Subscribes a user exactly once, whatever dies on the way.

`subscribe` is the whole of it: guard against card testing, open the attempt, drive it to its end,
answer. An attempt without an outcome stays open, and the same code drives it on: at the user's
next call, after a webhook, and once a minute in the worker.

`drive` looks at Stripe, decides, makes one call, and looks again. `next_step` decides; here each
call is made and what it says is noted, and the end is written down together with what was seen.
Calls that must happen once carry a key made of the attempt's id.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from errors import BillingError
from subscriptions import card_testing
from subscriptions.errors import (
    AlreadySubscribed,
    AttemptInProgress,
    CardDeclined,
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    IdempotencyMismatch,
    KeyRefused,
    PaymentGatewayRefused,
    PaymentGatewayUnavailable,
    PaymentMethodRefused,
    PaymentUnderWay,
    PermissionMissing,
    RepeatedRefusal,
    ReplayedFailure,
    StripeObjectNotFound,
    TooManyCardFailures,
    WrongStripeAccount,
)
from subscriptions.models import PaymentMethod, SubscribeAttempt
from subscriptions.statuses import LIVE
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway import hosted_pages
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.client import BUDGET_SECONDS, recorded_calls, time_budget
from subscriptions.stripe_gateway.invoices import void_invoice
from subscriptions.stripe_gateway.objects import MetadataKey, StripeSubscription
from subscriptions.subscribing import attempts
from subscriptions.subscribing.attempts import SubscribeCommand
from subscriptions.subscribing.next_step import Call, NextCall, Outcome, Seen, State, next_step
from subscriptions.sync import customer_rows, writer
from subscriptions.sync.subscription_rows import ours_among
from subscriptions.sync.writer import StripeSnapshot

# One for an earlier request of the user, one for a customer that was deleted at Stripe, ours.
_MAX_ATTEMPTS = 3
# More than any attempt needs, so that a mistake in the table ends.
_MAX_CALLS = 20
# Stripe's answers that say that the call changed nothing.
_NOTHING_WAS_DONE = (
    CardDeclined,
    PaymentGatewayRefused,
    PaymentMethodRefused,
    PaymentUnderWay,
    StripeObjectNotFound,
)
# Refusals of our key; they come before anything is done.
_KEY_REFUSALS = (KeyRefused, PermissionMissing, WrongStripeAccount, CustomerNotVisible)
# If the answer to one of these is lost, a look tells whether it was done.
_SHOWS_IN_A_LOOK = {Call.CREATE_SUBSCRIPTION, Call.VOID_INVOICE, Call.CANCEL}

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
            client_ip=command.client_ip,
            payment_method=command.payment_method,
        )
    except TooManyCardFailures:
        # Repeating a request under its key tries no further card.
        repeated = attempts.closed_under_key(command)
        if repeated is None:
            raise
        return repeated
    return customer_rows.after_brief_lease(partial(attempts.open_attempt, command))


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


def drive(attempt: SubscribeAttempt) -> Outcome:
    """Bring an open attempt, leased by the caller, to its end; safe to repeat from anywhere.

    Returns:
        How it ended. A refusal is part of it, not raised: its user may not be the caller.

    Raises:
        AttemptInProgress: It may still arrive at Stripe, and is not charged for any more.
        PaymentGatewayUnavailable: Its outcome is not known; it stays open under the same keys.
        BillingError: It stays open because Stripe refuses our key.
    """
    with recorded_calls() as calls, time_budget():
        run = _Run(attempt, calls=calls)
        try:
            for _ in range(_MAX_CALLS):
                step = next_step(run.seen)
                if isinstance(step, NextCall):
                    run.make(step)
                elif step.state == State.OPEN:
                    raise step.refusal or AttemptInProgress(retry_after_seconds=5)
                elif (ended := run.close(step)) is not None:
                    return ended
                else:
                    run.make(NextCall(Call.LOOK))
            raise PaymentGatewayUnavailable("Your payment is not finished. Try again shortly.")
        except BillingError:
            attempts.give_back(attempt, calls=calls)
            raise


class _Run:
    """The calls of one attempt, and what is known after each."""

    def __init__(self, attempt: SubscribeAttempt, *, calls: Sequence[dict[str, str]]) -> None:
        self._attempt, self._customer, self._calls = attempt, attempt.customer, calls
        self.seen = Seen(
            attempt_id=str(attempt.pk),
            resumed=attempt.resumed,
            may_charge=attempts.may_charge(attempt),
            fence_seconds=attempts.fence_seconds(attempt),
            key_spent=attempts.keys_are_too_old(attempt),
            stripe_customer_id=self._customer.stripe_customer_id or "",
            may_have_customer=attempt.charge_until is None,
            open_page=self._customer.checkout_session,
            needs_card=bool(attempt.payment_method_reference),
        )
        # The last look, or else the subscription that was just made.
        self._snapshot: StripeSnapshot | None = None
        self._made: StripeSubscription | None = None
        self._in_use: set[str] = set()
        self._default_card = ""
        self._lost: set[NextCall] = set()
        self._makers: dict[Call, Callable[[str], Seen]] = {
            Call.FIND_CUSTOMER: self._find_customer,
            Call.MAKE_CUSTOMER: self._make_customer,
            Call.ATTACH_CARD: self._attach_card,
            Call.LOOK: self._look,
            Call.CLOSE_PAGE: self._close_page,
            Call.FETCH_PAYMENT: self._fetch_payment,
            Call.VOID_INVOICE: self._void_invoice,
            Call.CANCEL: self._cancel,
            Call.DETACH_CARD: self._detach_card,
            Call.CREATE_SUBSCRIPTION: self._create_subscription,
        }

    def make(self, step: NextCall) -> None:
        """Make one call and note what it says."""
        try:
            self.seen = self._makers[step.call](step.target)
        except CustomerDeletedAtStripe:
            self.seen = replace(self.seen, customer_deleted=True)
        except (ReplayedFailure, IdempotencyMismatch):
            self.seen = replace(self.seen, key_spent=True, subscriptions=None)
        except _NOTHING_WAS_DONE as refusal:
            if step.call in (Call.LOOK, Call.FETCH_PAYMENT):
                raise
            self._note(step, refusal)
        except PaymentGatewayUnavailable as refusal:
            self._note_outage(step, refusal)

    def _note_outage(self, step: NextCall, refusal: PaymentGatewayUnavailable) -> None:
        if isinstance(refusal, _KEY_REFUSALS):
            # What an earlier process sent, or a call whose answer was lost, may have been done.
            if self.seen.resumed or self._lost:
                raise refusal
            self.seen = replace(self.seen, key_refusal=refusal)
            return
        if step.call not in _SHOWS_IN_A_LOOK or step in self._lost:
            raise refusal
        self._lost.add(step)
        self.seen = replace(self.seen, subscriptions=None)

    def close(self, outcome: Outcome) -> Outcome | None:
        """Write down how the attempt ended, with what was seen, and give the lease back.

        Returns:
            None if there has to be a look before: another process has written since the attempt
            was opened, so that an answer may be out of date.
        """
        with transaction.atomic():
            row = customer_rows.lock_row(self._customer)
            cause = f"attempt {self._attempt.pk}"
            if self.seen.customer_deleted:
                customer_rows.mark_deleted(row, cause=cause)
            elif self._made is not None:
                if row.sync_version != self._customer.sync_version:
                    return None
                writer.write_made(
                    row,
                    self._made,
                    card=self.seen.card,
                    default_card=self._default_card,
                    cause=cause,
                )
            elif self._snapshot is not None:
                writer.write(row, self._snapshot, cause=cause)
            elif isinstance(outcome.refusal, AlreadySubscribed):
                # We did not know of that subscription: look at it, and write it down.
                return None
            if isinstance(outcome.refusal, CardDeclined):
                self._count_failure(outcome, refusal=outcome.refusal)
            customer_rows.give_back_lease(self._customer)
            return attempts.close(self._attempt, outcome, calls=self._calls)

    def _count_failure(self, outcome: Outcome, *, refusal: CardDeclined) -> None:
        card_testing.remember_failure(
            user_id=self._attempt.user_id,
            client_ip=self._attempt.source,
            payment_method=self._attempt.payment_method_reference,
            fingerprint=outcome.fingerprint,
            code=refusal.members["decline_code"],
        )

    def _note(self, step: NextCall, refusal: BillingError) -> None:
        looks_again = step.call in _SHOWS_IN_A_LOOK and step.call != Call.CREATE_SUBSCRIPTION
        self.seen = replace(
            self.seen,
            refusals={**self.seen.refusals, step: refusal},
            subscriptions=None if looks_again else self.seen.subscriptions,
        )

    def _key(self, call: Call) -> str:
        return f"attempt:{self._attempt.pk}:{call}"

    def _find_customer(self, _: str) -> Seen:
        found = stripe_customers.find_customer_made_for(
            self.seen.attempt_id, since=self._attempt.created_at
        )
        if found is not None:
            customer_rows.note_stripe_id(self._customer, found.id)
        return replace(
            self.seen,
            may_have_customer=False,
            stripe_customer_id=self._customer.stripe_customer_id or "",
        )

    def _make_customer(self, _: str) -> Seen:
        customer_rows.make_at_stripe(self._customer)
        return replace(self.seen, stripe_customer_id=self._customer.stripe_customer_id or "")

    def _attach_card(self, _: str) -> Seen:
        card, customer = stripe_customers.attach_payment_method(
            self._attempt.payment_method_reference,
            stripe_customer_id=self.seen.stripe_customer_id,
            key=self._key(Call.ATTACH_CARD),
        )
        self._default_card = customer.default_payment_method_id
        self.seen = replace(self.seen, card=card)
        # Of an answer that Stripe repeats only the card is still true.
        if customer.subscriptions is not None and not self._is_replayed():
            self.seen = self._see(customer.subscriptions)
        try:
            card_testing.refuse_failing_card(card.fingerprint)
        except TooManyCardFailures as refusal:
            self._note(NextCall(Call.CREATE_SUBSCRIPTION), refusal)
        return self.seen

    def _look(self, _: str) -> Seen:
        snapshot = writer.look(self.seen.stripe_customer_id, everything=False)
        self._snapshot, self._made = snapshot, None
        return self._see(snapshot.subscriptions)

    def _see(self, found: Collection[StripeSubscription]) -> Seen:
        self._in_use = {each.payment_method_id for each in found if each.status in LIVE}
        ours = ours_among(found)
        return replace(self.seen, subscriptions=ours)

    def _close_page(self, session: str) -> Seen:
        completed = hosted_pages.close_checkout_session(session)
        customer_rows.forget_page(self._customer, session=session)
        # A subscription that was begun on the page shows up in the next look.
        subscriptions = None if completed else self.seen.subscriptions
        return replace(self.seen, open_page="", subscriptions=subscriptions)

    def _fetch_payment(self, subscription: str) -> Seen:
        return replace(
            self.seen, payment=stripe_subscriptions.fetch_payment_of_latest_invoice(subscription)
        )

    def _void_invoice(self, invoice: str) -> Seen:
        void_invoice(invoice, key=f"void:{invoice}:{uuid4()}")
        return replace(self.seen, subscriptions=None)

    def _cancel(self, subscription: str) -> Seen:
        stripe_subscriptions.cancel_subscription(subscription)
        return replace(self.seen, subscriptions=None)

    def _detach_card(self, payment_method: str) -> Seen:
        if not self._is_in_use(payment_method):
            # A key of its own each time: twice does no harm, a stored failure would be repeated.
            stripe_customers.detach_payment_method(payment_method, key=f"detach:{uuid4()}")
        return replace(self.seen, card_is_cleared=True)

    def _is_in_use(self, payment_method: str) -> bool:
        """Whether the card pays something at Stripe, or was the user's before the attempt."""
        if self.seen.card is None:
            # An earlier process attached it, and has seen the customer then.
            customer = stripe_customers.fetch_customer(self.seen.stripe_customer_id)
            self._default_card = customer.default_payment_method_id
        if payment_method in self._in_use | {self._default_card}:
            return True
        return PaymentMethod.objects.filter(
            stripe_payment_method_id=payment_method,
            created_at__lt=self._attempt.created_at,
            detached_at=None,
        ).exists()

    def _create_subscription(self, _: str) -> Seen:
        made = stripe_subscriptions.create_subscription(
            stripe_customer_id=self.seen.stripe_customer_id,
            price=self._attempt.price_reference,
            payment_method=self.seen.card.id if self.seen.card else "",
            metadata={
                MetadataKey.ATTEMPT: str(self._attempt.pk),
                MetadataKey.USER_ID: str(self._attempt.user_id),
            },
            key=self._key(Call.CREATE_SUBSCRIPTION),
        )
        if self._is_replayed():
            return replace(self.seen, subscriptions=None)
        self._made, self._snapshot = made, None
        return replace(self.seen, subscriptions=(made,))

    def _is_replayed(self) -> bool:
        return bool(self._calls) and self._calls[-1]["outcome"] == "replayed"
