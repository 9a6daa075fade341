"""Changes the card a subscription is paid with, strong customer authentication included."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.conf import settings

from subscriptions import card_testing
from subscriptions.errors import (
    CardDeclined,
    CustomerDeletedAtStripe,
    PaymentGatewayRefused,
    StripeObjectNotFound,
    TooManyCardFailures,
)
from subscriptions.models import Customer, PaymentMethod, Subscription
from subscriptions.statuses import LIVE, OVERDUE
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway import setup_intents
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.invoices import pay_invoice
from subscriptions.stripe_gateway.objects import StripeCustomer, StripeSubscription
from subscriptions.stripe_gateway.setup_intents import StripeSetupIntent
from subscriptions.subscribing.customers import with_customer
from subscriptions.sync.customer_rows import acting_for
from subscriptions.sync.writer import StripeSnapshot, refresh_customer


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The state of setting up a card; the secret completes it in the user's browser."""

    status: str
    setup_intent: str
    client_secret: str


def prepare_setup(user_id: UUID, *, client_ip: str | None) -> Setup:
    """Let the user's browser collect a card, which becomes the default when Stripe reports it.

    Args:
        client_ip: Of the caller, to count setup intents and the cards that are refused with them.

    Raises:
        TooManyCardFailures, TooManySetupIntents: Of the user, or from the caller's network.
    """
    card_testing.refuse_if_too_many_setups(user_id=user_id, client_ip=client_ip)

    def ask(customer: Customer) -> StripeSetupIntent:
        return setup_intents.create_setup_intent(
            stripe_customer_id=customer.stripe_customer_id or "",
            user_id=str(user_id),
            replaces=_paying_cards(
                stripe_customers.fetch_customer(
                    customer.stripe_customer_id or "", with_subscriptions=True
                )
            ),
            key=f"setup:{uuid4()}",
        )

    intent = with_customer(user_id, ask, leased=False)
    card_testing.remember_setup(user_id=user_id, client_ip=client_ip, setup_intent=intent.id)
    return Setup(status=intent.status, setup_intent=intent.id, client_secret=intent.client_secret)


def change_card(user_id: UUID, *, payment_method: str, client_ip: str | None) -> Setup:
    """Pay with another card from now on, and collect an overdue invoice at once.

    Args:
        client_ip: Of the caller, to count refused cards.

    Returns:
        `succeeded`, or `requires_action` with the secret to complete it; then the card becomes the
        default when Stripe reports success.

    Raises:
        CardDeclined: The card was refused and detached.
        PaymentMethodRefused: It does not exist, or belongs to another customer.
        TooManyCardFailures: Too many cards were refused lately.
    """
    card_testing.refuse_if_too_many_failures(
        user_id=user_id, client_ip=client_ip, payment_method=payment_method
    )

    def ask(customer: Customer) -> Setup:
        return _set_up(customer, payment_method=payment_method, operation=str(uuid4()))

    try:
        setup = with_customer(user_id, ask)
    except CardDeclined as refusal:
        card_testing.remember_failure(
            user_id=user_id,
            client_ip=client_ip,
            payment_method=payment_method,
            fingerprint=refusal.fingerprint,
            code=refusal.members["decline_code"],
        )
        raise
    if setup.status != "succeeded":
        # The bank decides after this answer.
        card_testing.remember_setup(
            user_id=user_id, client_ip=client_ip, setup_intent=setup.setup_intent
        )
    return setup


def end_setups_of_card_tester(stripe_customer_id: str) -> None:
    """Cancel a user's open setup intents if too many of their cards were refused.

    Each would let the browser try any number of further cards.

    Args:
        stripe_customer_id: Of the customer whose setup has failed.
    """
    customer = Customer.objects.filter(stripe_customer_id=stripe_customer_id).first()
    if customer is None or not card_testing.has_too_many_failures(customer.user_id):
        return
    for setup in setup_intents.fetch_setup_intents(stripe_customer_id):
        if setup.makes_default and setup.status not in ("succeeded", "canceled"):
            # One that has ended meanwhile is as good.
            with contextlib.suppress(PaymentGatewayRefused, StripeObjectNotFound):
                setup_intents.cancel_setup_intent(setup.id, key=f"cancel:{uuid4()}")


def apply_newest_setup_intent(customer: Customer, snapshot: StripeSnapshot) -> None:
    """Make the card of the user's newest setup intent that succeeded the default.

    The event that asks for it may be old, or repeated, so it does not say which: the setup that
    was begun last does, as long as its card is still attached, and it does so once. A card that was
    chosen elsewhere since the setup was begun, such as in the customer portal, stays.

    Args:
        customer: Our row, its payment methods as Stripe has just listed them.
        snapshot: What has just been found of it.

    Raises:
        AttemptInProgress: Another process acts for the customer; come back.
    """
    if customer.deleted_at is not None:
        return
    setups = _setups(customer)
    newest = _newest_setup(customer, setups)
    if newest is None or newest.id == customer.last_applied_setup_intent:
        return
    with acting_for(customer) as row:
        if newest.id == row.last_applied_setup_intent:
            return
        if not _another_was_chosen(row, snapshot, newest=newest, setups=setups):
            # Detached or refused meanwhile: the card that paid so far goes on paying.
            with contextlib.suppress(CardDeclined, StripeObjectNotFound, PaymentGatewayRefused):
                # Keys of the setup would repeat a failure that Stripe stored, at each attempt.
                _use(customer, payment_method=newest.payment_method_id, operation=str(uuid4()))
            refresh_customer(customer.stripe_customer_id or "", cause="card changed")
        _note_applied(customer, newest.id)


def give_default_card(customer: Customer, snapshot: StripeSnapshot) -> None:
    """Make the card of the current subscription the default of a customer who has none.

    A customer is made bare, and its subscription names its own card; Stripe's pages and whatever
    is billed later look for a default.

    Args:
        customer: Our row.
        snapshot: What has just been found of it.

    Raises:
        AttemptInProgress: Another process acts for the customer; come back.
    """
    if snapshot.customer is None or snapshot.customer.default_payment_method_id:
        return
    # One that is not paid yet may be refused still; its card would stay attached for that.
    paying = Subscription.objects.filter(customer=customer, is_current=True, stripe_status__in=LIVE)
    chosen = paying.values_list("payment_method_reference", flat=True).first()
    if chosen in {each.id for each in snapshot.payment_methods}:
        with acting_for(customer):
            stripe_customers.make_default(
                str(chosen), stripe_customer_id=snapshot.customer.id, key=f"default:{uuid4()}"
            )


def _setups(customer: Customer) -> list[StripeSetupIntent]:
    try:
        return setup_intents.fetch_setup_intents(customer.stripe_customer_id or "")
    except (StripeObjectNotFound, CustomerDeletedAtStripe):
        return []


def _another_was_chosen(
    customer: Customer,
    snapshot: StripeSnapshot,
    *,
    newest: StripeSetupIntent,
    setups: Sequence[StripeSetupIntent],
) -> bool:
    """Whether a card pays that neither paid when a setup was begun nor comes from a setup."""
    if newest.replaces is None or snapshot.customer is None:
        return False
    applied = {
        each.payment_method_id for each in setups if each.id == customer.last_applied_setup_intent
    }
    known = {*newest.replaces, newest.payment_method_id} | applied
    return not _paying_cards(snapshot.customer, snapshot.subscriptions) <= known


def _paying_cards(
    customer: StripeCustomer, subscriptions: Sequence[StripeSubscription] | None = None
) -> set[str]:
    """Return the default card of a customer and those of its live subscriptions."""
    found = customer.subscriptions or () if subscriptions is None else subscriptions
    cards = {each.payment_method_id for each in found if each.status in LIVE}
    return (cards | {customer.default_payment_method_id}) - {""}


def _note_applied(customer: Customer, setup_intent: str) -> None:
    Customer.objects.filter(pk=customer.pk).update(last_applied_setup_intent=setup_intent)


def _newest_setup(
    customer: Customer, setups: Sequence[StripeSetupIntent]
) -> StripeSetupIntent | None:
    cards = customer.payment_methods.filter(detached_at=None)
    attached = set(cards.values_list("stripe_payment_method_id", flat=True))
    return next(
        (
            each
            for each in setups
            if each.status == "succeeded"
            and each.makes_default
            and each.payment_method_id in attached
        ),
        None,
    )


def _set_up(customer: Customer, *, payment_method: str, operation: str) -> Setup:
    known = PaymentMethod.objects.filter(
        customer=customer, stripe_payment_method_id=payment_method, detached_at=None
    ).exists()
    card, at_stripe = stripe_customers.attach_payment_method(
        payment_method,
        stripe_customer_id=customer.stripe_customer_id or "",
        key=f"attach:{operation}",
    )
    paying = _paying_cards(at_stripe)
    intent: StripeSetupIntent | None = None
    try:
        card_testing.refuse_failing_card(card.fingerprint)
        intent = setup_intents.confirm_card(
            card.id,
            stripe_customer_id=customer.stripe_customer_id or "",
            user_id=str(customer.user_id),
            replaces=paying,
            return_url=settings.BILLING.public_url,
            key=f"confirm:{operation}",
        )
        if intent.status == "succeeded":
            _use(customer, payment_method=card.id, operation=operation)
            _note_applied(customer, intent.id)
    except (CardDeclined, TooManyCardFailures):
        if intent is not None:
            # The event that reports the setup does not charge the refused card once more.
            _note_applied(customer, intent.id)
        if not known and card.id not in paying:
            stripe_customers.detach_payment_method(card.id, key=f"detach:{operation}")
        raise
    if intent.status == "succeeded":
        refresh_customer(customer.stripe_customer_id or "", cause="card changed")
    return Setup(status=intent.status, setup_intent=intent.id, client_secret=intent.client_secret)


def _use(customer: Customer, *, payment_method: str, operation: str) -> None:
    """Collect what is overdue with a card, then use it for the customer and the subscription.

    Raises:
        CardDeclined: It was refused, so the card that paid so far stays the default.
    """
    live = Subscription.objects.filter(
        customer=customer, is_current=True, stripe_status__in=LIVE
    ).first()
    if live is not None:
        _collect(live, payment_method=payment_method, operation=operation)
    stripe_customers.make_default(
        payment_method,
        stripe_customer_id=customer.stripe_customer_id or "",
        key=f"default:{operation}",
    )
    if live is not None:
        stripe_subscriptions.use_payment_method(
            live.stripe_subscription_id,
            payment_method=payment_method,
            key=f"subscription-default:{operation}",
        )


def _collect(live: Subscription, *, payment_method: str, operation: str) -> None:
    if live.stripe_status not in OVERDUE or live.latest_invoice_status != "open":
        return
    # Paid meanwhile is as good.
    with contextlib.suppress(PaymentGatewayRefused):
        pay_invoice(
            live.latest_invoice_id, payment_method=payment_method, key=f"collect:{operation}"
        )
