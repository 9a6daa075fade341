"""The calls at Stripe that one try to subscribe consists of, in their order.

At most three in sequence: the customer (made with its card, or its card attached), the
subscription, and, only where that is left incomplete, the payment that says why. Every step can be
repeated: its parameters and its key come from the attempt alone.
"""

import contextlib
from dataclasses import dataclass, field

from errors import BillingError
from subscriptions import limits
from subscriptions.attempts import State
from subscriptions.errors import (
    AlreadySubscribed,
    CardDeclined,
    IdempotencyMismatch,
    MissingAtStripe,
    PaymentGatewayRefused,
    PaymentMethodRefused,
    TooManyCardFailures,
    WrongState,
)
from subscriptions.models import SubscribeAttempt
from subscriptions.statuses import ENDED, LIVE
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.objects import (
    StripeCustomer,
    StripePaymentIntent,
    StripePaymentMethod,
    StripeSubscription,
)
from subscriptions.sync import Truth


class CustomerGone(Exception):
    """The customer a try was opened for no longer exists at Stripe."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a try ended at Stripe, and what there is to write down."""

    state: str
    truth: Truth = field(default_factory=Truth)
    stripe_subscription_id: str = ""
    client_secret: str = ""
    refusal: BillingError | None = None
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class _Buyer:
    """A customer at Stripe with the payment method of this try attached."""

    customer: StripeCustomer
    payment_method: StripePaymentMethod
    subscriptions: tuple[StripeSubscription, ...] = ()

    def truth(self, *subscriptions: StripeSubscription) -> Truth:
        """Return what is known about the customer, for `sync` to write."""
        return Truth(
            customer=self.customer,
            payment_methods=(self.payment_method,),
            subscriptions=subscriptions,
        )


def run_steps(attempt: SubscribeAttempt) -> Result:
    """Carry a try to its end at Stripe.

    Args:
        attempt: An open try.

    Raises:
        CustomerGone: The customer was deleted at Stripe.
        PaymentGatewayUnavailable: The outcome is not known; run the same steps again later.
    """
    try:
        buyer = _new_buyer(attempt) if not attempt.stripe_customer_id else _known_buyer(attempt)
    except CardDeclined as refusal:
        return Result(
            state=State.DECLINED,
            refusal=refusal,
            fingerprint=refusal.fingerprint,
        )
    except (PaymentMethodRefused, IdempotencyMismatch) as refusal:
        return Result(state=State.FAILED, refusal=refusal)
    try:
        limits.refuse_failing_card(buyer.payment_method.fingerprint)
    except TooManyCardFailures as refusal:
        return _undone(attempt, buyer=buyer, refusal=refusal, subscriptions=[])
    others = [each for each in buyer.subscriptions if each.attempt_id != str(attempt.pk)]
    if any(each.status in LIVE for each in others):
        return _live_already(attempt, buyer=buyer, live=others)
    replaced = [_cancel(each) for each in others if each.status == "incomplete"]
    return _subscribe(attempt, buyer=buyer, replaced=replaced)


def find_outcome(attempt: SubscribeAttempt) -> Result:
    """Look up how a try ended whose keys Stripe may have forgotten; send none of them again.

    Args:
        attempt: An open try, older than Stripe keeps keys.
    """
    refusal = IdempotencyMismatch("This try to subscribe is too old to be finished.")
    stripe_customer_id = attempt.stripe_customer_id or _search(attempt)
    if not stripe_customer_id:
        return Result(state=State.FAILED, refusal=refusal)
    try:
        found = stripe_subscriptions.fetch_subscriptions_of(stripe_customer_id)
    except MissingAtStripe:
        return Result(state=State.FAILED, refusal=refusal)
    ours = next((each for each in found if each.attempt_id == str(attempt.pk)), None)
    if ours is None or ours.status in ENDED:
        return Result(state=State.FAILED, refusal=refusal, truth=Truth(subscriptions=found))
    return Result(
        state=State.SUCCEEDED if ours.status in LIVE else State.REQUIRES_ACTION,
        stripe_subscription_id=ours.id,
        truth=Truth(subscriptions=found),
    )


def _new_buyer(attempt: SubscribeAttempt) -> _Buyer:
    try:
        customer, card = stripe_customers.create_customer(
            payment_method=attempt.payment_method_reference,
            metadata=attempt.metadata,
            key=attempt.key("customer"),
        )
    except (MissingAtStripe, PaymentGatewayRefused):
        raise _refused_payment_method() from None
    return _Buyer(customer=customer, payment_method=card)


def _known_buyer(attempt: SubscribeAttempt) -> _Buyer:
    try:
        card, customer = stripe_customers.attach_payment_method(
            attempt.payment_method_reference,
            stripe_customer_id=attempt.stripe_customer_id,
            key=attempt.key("payment-method"),
        )
    except MissingAtStripe as missing:
        if missing.param == "customer":
            raise CustomerGone from None
        raise _refused_payment_method() from None
    except PaymentGatewayRefused:
        raise _refused_payment_method() from None
    if customer.deleted:
        raise CustomerGone
    return _Buyer(
        customer=customer, payment_method=card, subscriptions=customer.subscriptions or ()
    )


def _subscribe(
    attempt: SubscribeAttempt, *, buyer: _Buyer, replaced: list[StripeSubscription]
) -> Result:
    try:
        made = stripe_subscriptions.create_subscription(
            stripe_customer_id=buyer.customer.id,
            price=attempt.price_reference,
            payment_method=buyer.payment_method.id,
            metadata=attempt.metadata,
            key=attempt.key("subscription"),
        )
    except (CardDeclined, PaymentGatewayRefused, IdempotencyMismatch) as refusal:
        return _undone(attempt, buyer=buyer, refusal=refusal, subscriptions=replaced)
    except MissingAtStripe as missing:
        if missing.param == "customer":
            raise CustomerGone from None
        refused = PaymentGatewayRefused("The product's price is not known at the payment gateway.")
        return _undone(attempt, buyer=buyer, refusal=refused, subscriptions=replaced)
    if attempt.resumed:
        # The key may have replayed an answer from before the first process died.
        made = stripe_subscriptions.fetch_subscription(made.id)
    return _judge(attempt, buyer=buyer, made=made, replaced=replaced)


def _judge(
    attempt: SubscribeAttempt,
    *,
    buyer: _Buyer,
    made: StripeSubscription,
    replaced: list[StripeSubscription],
) -> Result:
    if made.status in LIVE:
        return Result(
            state=State.SUCCEEDED,
            stripe_subscription_id=made.id,
            truth=buyer.truth(*replaced, made),
        )
    if made.status in ENDED:
        refused = WrongState("The subscription ended before it began. Try again.")
        return _undone(attempt, buyer=buyer, refusal=refused, subscriptions=[*replaced, made])
    payment = _payment_of(made)
    if payment is not None and payment.status == "requires_payment_method":
        declined = _declined(payment)
        ended = [*replaced, _cancel(made)]
        return _undone(attempt, buyer=buyer, refusal=declined, subscriptions=ended)
    return Result(
        state=State.REQUIRES_ACTION,
        stripe_subscription_id=made.id,
        client_secret=payment.client_secret if payment else "",
        truth=buyer.truth(*replaced, made),
    )


def _live_already(
    attempt: SubscribeAttempt, *, buyer: _Buyer, live: list[StripeSubscription]
) -> Result:
    """Somebody subscribed this customer elsewhere, such as in Stripe's dashboard."""
    return _undone(attempt, buyer=buyer, refusal=AlreadySubscribed(), subscriptions=live)


def _undone(
    attempt: SubscribeAttempt,
    *,
    buyer: _Buyer,
    refusal: BillingError,
    subscriptions: list[StripeSubscription],
) -> Result:
    """Take the payment method of a refused try away again, so that it cannot be charged later."""
    # A process that died before us may have detached it.
    with contextlib.suppress(MissingAtStripe, PaymentGatewayRefused):
        stripe_customers.detach_payment_method(buyer.payment_method.id, key=attempt.key("detach"))
    declined = isinstance(refusal, CardDeclined)
    return Result(
        state=State.DECLINED if declined else State.FAILED,
        refusal=refusal,
        fingerprint=buyer.payment_method.fingerprint,
        truth=Truth(customer=buyer.customer, subscriptions=tuple(subscriptions)),
    )


def _cancel(subscription: StripeSubscription) -> StripeSubscription:
    try:
        return stripe_subscriptions.cancel_subscription(subscription.id)
    except (MissingAtStripe, PaymentGatewayRefused):
        # It has ended meanwhile; what it became is what counts.
        return stripe_subscriptions.fetch_subscription(subscription.id)


def _payment_of(subscription: StripeSubscription) -> StripePaymentIntent | None:
    invoice = subscription.latest_invoice
    if invoice is None or not invoice.payment_intent_id:
        return None
    return stripe_subscriptions.fetch_payment_intent(invoice.payment_intent_id)


def _declined(payment: StripePaymentIntent) -> CardDeclined:
    return CardDeclined(
        payment.decline_message or "Your card was declined.",
        decline_code=payment.decline_code or "generic_decline",
        fingerprint=payment.fingerprint,
    )


def _refused_payment_method() -> PaymentMethodRefused:
    return PaymentMethodRefused("That payment method does not exist or cannot be used by you.")


def _search(attempt: SubscribeAttempt) -> str:
    found = stripe_customers.find_customer_of(str(attempt.user_id))
    return found.id if found else ""
