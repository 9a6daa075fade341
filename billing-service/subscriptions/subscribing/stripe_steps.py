"""The calls at Stripe that one try to subscribe consists of, in their order.

At most three in sequence: the customer (made with its card, or its card attached), the
subscription, and, only where that is left incomplete, the payment that says why. A page at Stripe
on which the user could subscribe too is closed first. Every step can be repeated: its parameters
and its key come from the attempt alone.
"""

import contextlib
from dataclasses import dataclass, field, replace
from uuid import uuid4

from errors import BillingError
from subscriptions import card_testing
from subscriptions.errors import (
    AlreadySubscribed,
    CardDeclined,
    IdempotencyMismatch,
    MissingAtStripe,
    PaymentGatewayRefused,
    PaymentMethodRefused,
    StoredFailure,
    TooManyCardFailures,
    WrongState,
)
from subscriptions.models import Customer, PaymentMethod, SubscribeAttempt
from subscriptions.statuses import ENDED, LIVE
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway import hosted_pages
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.objects import (
    StripeCustomer,
    StripePaymentIntent,
    StripePaymentMethod,
    StripeSubscription,
    decline_of,
)
from subscriptions.subscribing.attempts import State
from subscriptions.sync.writer import Truth


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
    _close_checkout(attempt.customer)
    try:
        buyer = _buyer(attempt)
    except StoredFailure:
        return find_outcome(attempt)
    except CardDeclined as refusal:
        return Result(
            state=State.DECLINED,
            refusal=refusal,
            fingerprint=refusal.fingerprint,
        )
    except (PaymentMethodRefused, IdempotencyMismatch) as refusal:
        return Result(state=State.FAILED, refusal=refusal)
    try:
        card_testing.refuse_failing_card(buyer.payment_method.fingerprint)
    except TooManyCardFailures as refusal:
        return _undone(attempt, buyer=buyer, refusal=refusal, subscriptions=[])
    others = [each for each in buyer.subscriptions if each.attempt_id != str(attempt.pk)]
    if any(each.status in LIVE for each in others):
        return _live_already(attempt, buyer=buyer, live=others)
    replaced = [_cancel(each) for each in others if each.status == "incomplete"]
    return _subscribe(attempt, buyer=buyer, replaced=replaced)


def find_outcome(attempt: SubscribeAttempt, *, stripe_customer_id: str = "") -> Result:
    """Look up how a try ended whose keys no longer tell; send none of them again.

    Args:
        attempt: An open try, older than Stripe keeps keys, or with a failure stored under one.
        stripe_customer_id: If the try has just learned it.
    """
    refusal = IdempotencyMismatch("This try to subscribe came to nothing. Try again.")
    stripe_customer_id = stripe_customer_id or attempt.stripe_customer_id or _search(attempt)
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


def _close_checkout(customer: Customer) -> None:
    """See that nobody subscribes on a page meanwhile; who already has is among the subscriptions.

    No page opens beside an open try, so this one is the last.
    """
    session = customer.checkout_session
    if session:
        hosted_pages.close_checkout_session(session)
        Customer.objects.filter(pk=customer.pk, checkout_session=session).update(
            checkout_session=""
        )


def _buyer(attempt: SubscribeAttempt) -> _Buyer:
    buyer = _known_buyer(attempt) if attempt.stripe_customer_id else _new_buyer(attempt)
    if not attempt.resumed:
        return buyer
    # The key may have replayed a list from before the first process died.
    try:
        found = stripe_subscriptions.fetch_subscriptions_of(buyer.customer.id)
    except MissingAtStripe:
        raise CustomerGone from None
    return replace(buyer, subscriptions=tuple(found))


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
    except StoredFailure:
        return find_outcome(attempt, stripe_customer_id=buyer.customer.id)
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
        declined = decline_of(payment)
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
    """Take a payment method that a refused try attached away again, so that nothing charges it."""
    if not isinstance(refusal, AlreadySubscribed) and not _was_attached_before(attempt, buyer):
        # A process that died before us may have detached it. A key of its own each time: twice
        # does no harm, and Stripe would repeat a failure it had stored.
        with contextlib.suppress(MissingAtStripe, PaymentGatewayRefused):
            key = f"{attempt.key('detach')}:{uuid4()}"
            stripe_customers.detach_payment_method(buyer.payment_method.id, key=key)
    declined = isinstance(refusal, CardDeclined)
    return Result(
        state=State.DECLINED if declined else State.FAILED,
        refusal=refusal,
        fingerprint=buyer.payment_method.fingerprint,
        truth=Truth(customer=buyer.customer, subscriptions=tuple(subscriptions)),
    )


def _was_attached_before(attempt: SubscribeAttempt, buyer: _Buyer) -> bool:
    """Whether the card was the user's before the try; a webhook may have told of it since."""
    return PaymentMethod.objects.filter(
        stripe_payment_method_id=buyer.payment_method.id,
        created_at__lt=attempt.created_at,
        detached_at=None,
    ).exists()


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


def _refused_payment_method() -> PaymentMethodRefused:
    return PaymentMethodRefused("That payment method does not exist or cannot be used by you.")


def _search(attempt: SubscribeAttempt) -> str:
    found = stripe_customers.find_customer_of(str(attempt.user_id))
    return found.id if found else ""
