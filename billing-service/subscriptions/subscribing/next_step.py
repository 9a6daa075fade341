"""What an attempt does next: a table, decided from what is known of Stripe and nothing else.

The rules are read from top to bottom and the first that applies decides. None of them asks how
the attempt got there, so any process can take an attempt up at any point and ends in the same
place. Nothing here calls Stripe or the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from errors import BillingError
from subscriptions.errors import (
    AlreadySubscribed,
    AttemptInProgress,
    CardDeclined,
    IdempotencyMismatch,
    PaymentUnderWay,
    SubscriptionPaused,
    WrongState,
)
from subscriptions.models import SubscribeAttempt
from subscriptions.statuses import ENDED, LIVE
from subscriptions.stripe_gateway.objects import (
    StripePaymentIntent,
    StripePaymentMethod,
    StripeSubscription,
    decline_of,
)

State = SubscribeAttempt.State


class Call(StrEnum):
    """A call at Stripe; the value of one that carries an attempt's key is part of that key."""

    FIND_CUSTOMER = "find-customer"
    MAKE_CUSTOMER = "customer"
    ATTACH_CARD = "payment-method"
    LOOK = "look"
    CLOSE_PAGE = "close-page"
    FETCH_PAYMENT = "payment"
    VOID_INVOICE = "void"
    CANCEL = "cancel"
    DETACH_CARD = "detach"
    CREATE_SUBSCRIPTION = "subscription"


@dataclass(frozen=True)
class NextCall:
    """A call to make, and the id of the object it is about."""

    call: Call
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended; with the state `open` it has not, and the caller comes back later."""

    state: str
    stripe_subscription_id: str = ""
    # Lets the customer's browser complete the authentication; never stored.
    client_secret: str | None = None
    refusal: BillingError | None = None
    # Stripe's fingerprint of a refused card.
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of Stripe while an attempt is driven; None stands for "not looked at"."""

    attempt_id: str
    # Another process drove the attempt before, so Stripe may hold what it made.
    resumed: bool
    # A user asked for it within the last minutes; otherwise it makes no new charge.
    may_charge: bool
    # Seconds until no call of an earlier process can reach Stripe any more.
    fence_seconds: int
    # Stripe will not carry out a call under the attempt's keys any more: they are too old, it
    # stored a failure of its own under one, or one was sent with other parameters.
    key_spent: bool
    stripe_customer_id: str
    # An earlier version began the attempt, and may have made the customer in its name.
    may_have_customer: bool
    open_page: str
    # False: the product is free, and the user gave no payment method.
    needs_card: bool = True
    customer_deleted: bool = False
    # Stripe refused our key before anything was done.
    key_refusal: BillingError | None = None
    # Those of our catalogue; no other is ever touched.
    subscriptions: tuple[StripeSubscription, ...] | None = None
    card: StripePaymentMethod | None = None
    # The card was detached again, or stays because it is in use.
    card_is_cleared: bool = False
    payment: StripePaymentIntent | None = None
    # Calls that Stripe refused, so that they surely changed nothing.
    refusals: Mapping[NextCall, BillingError] = field(default_factory=dict)


_ATTACH = NextCall(Call.ATTACH_CARD)
_CREATE = NextCall(Call.CREATE_SUBSCRIPTION)


def next_step(seen: Seen) -> NextCall | Outcome:  # noqa: C901, PLR0911, PLR0912 - a table, one rule after the other
    """Return the call to make now, or how the attempt ends."""
    refused = seen.refusals
    if seen.key_refusal is not None:
        # The caller's Idempotency-Key is free: with the right key of ours the same call subscribes.
        return Outcome(state=State.SUPERSEDED, refusal=seen.key_refusal)
    if seen.customer_deleted:
        return Outcome(state=State.SUPERSEDED)
    if not seen.stripe_customer_id:
        make = NextCall(Call.MAKE_CUSTOMER)
        if make in refused:
            return Outcome(state=State.FAILED, refusal=refused[make])
        if seen.may_have_customer:
            return NextCall(Call.FIND_CUSTOMER)
        if seen.may_charge and not seen.key_spent:
            return make
        return Outcome(state=State.FAILED, refusal=_came_to_nothing())
    if seen.subscriptions is None:
        if _ATTACH in refused and not seen.resumed:
            return _refused(seen, refused[_ATTACH])
        return _ATTACH if _attaching_is_a_look(seen) else NextCall(Call.LOOK)
    own = next((each for each in seen.subscriptions if each.attempt_id == seen.attempt_id), None)
    if own is not None:
        return _about_own(own, seen)
    live = {each.status for each in seen.subscriptions if each.status in LIVE}
    if live:
        refusal = SubscriptionPaused() if live == {"paused"} else AlreadySubscribed()
        return Outcome(state=State.FAILED, refusal=refusal)
    if not seen.may_charge:
        return _nothing_came_of_it(seen)
    if seen.open_page:
        close = NextCall(Call.CLOSE_PAGE, seen.open_page)
        return _payment_under_way() if close in refused else close
    for other in seen.subscriptions:
        if other.status not in ENDED:
            end = _end(other)
            return _payment_under_way() if end in refused else end
    if seen.key_spent:
        return _refused(seen, _came_to_nothing())
    if _ATTACH in refused:
        return _refused(seen, refused[_ATTACH])
    if seen.card is None and seen.needs_card:
        return _ATTACH
    if _CREATE in refused:
        return _refused(seen, refused[_CREATE])
    return _CREATE


def _attaching_is_a_look(seen: Seen) -> bool:
    """Whether to attach the card at once: the answer lists the customer's subscriptions."""
    is_new = seen.may_charge and not seen.resumed and not seen.key_spent
    return is_new and seen.needs_card and seen.card is None and not seen.open_page


def _about_own(own: StripeSubscription, seen: Seen) -> NextCall | Outcome:
    if own.status in LIVE:
        return Outcome(state=State.SUCCEEDED, stripe_subscription_id=own.id)
    if seen.payment is None:
        return NextCall(Call.FETCH_PAYMENT, own.id)
    if own.status in ENDED:
        return _refused(seen, _why_it_ended(seen.payment), card=own.payment_method_id)
    give_up = _end(own)
    unpaid = seen.payment.status == "requires_payment_method"
    if (unpaid or not seen.may_charge) and give_up not in seen.refusals:
        return give_up
    return Outcome(
        state=State.REQUIRES_ACTION,
        stripe_subscription_id=own.id,
        client_secret=seen.payment.client_secret,
    )


def _end(incomplete: StripeSubscription) -> NextCall:
    """End a subscription that is not paid yet.

    Its first invoice is voided rather than the subscription cancelled: Stripe refuses to void an
    invoice that has been paid meanwhile, and ends the subscription with the invoice.
    """
    invoice = incomplete.latest_invoice
    if invoice is not None and invoice.status == "open":
        return NextCall(Call.VOID_INVOICE, invoice.id)
    return NextCall(Call.CANCEL, incomplete.id)


def _why_it_ended(payment: StripePaymentIntent) -> BillingError:
    if payment.decline_code:
        return decline_of(payment)
    return WrongState("The subscription ended before its first payment. Subscribe again.")


def _refused(seen: Seen, refusal: BillingError, *, card: str = "") -> NextCall | Outcome:
    """End an attempt, after its card is detached so that nothing charges it later.

    Args:
        seen: What is known.
        refusal: What the user reads.
        card: The one that an earlier process attached, if this one has not.
    """
    attached = seen.card.id if seen.card else card
    if attached and not seen.card_is_cleared:
        detach = NextCall(Call.DETACH_CARD, attached)
        if detach not in seen.refusals:
            return detach
    declined = isinstance(refusal, CardDeclined)
    fingerprint = refusal.fingerprint if isinstance(refusal, CardDeclined) else ""
    return Outcome(
        state=State.DECLINED if declined else State.FAILED,
        refusal=refusal,
        fingerprint=fingerprint or (seen.card.fingerprint if seen.card else ""),
    )


def _nothing_came_of_it(seen: Seen) -> Outcome:
    """End an attempt that made nothing, once nothing it sent can arrive any more."""
    if seen.fence_seconds > 0:
        in_progress = AttemptInProgress(retry_after_seconds=seen.fence_seconds)
        return Outcome(state=State.OPEN, refusal=in_progress)
    return Outcome(state=State.FAILED, refusal=_came_to_nothing())


def _payment_under_way() -> Outcome:
    """Let the caller come back under the same key: nothing was begun under it."""
    return Outcome(state=State.SUPERSEDED, refusal=PaymentUnderWay())


def _came_to_nothing() -> IdempotencyMismatch:
    return IdempotencyMismatch("This attempt ended and nothing was charged. Subscribe again.")
