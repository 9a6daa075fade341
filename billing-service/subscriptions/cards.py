"""Changes the card a subscription is paid with, strong customer authentication included."""

import contextlib
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.conf import settings

from subscriptions import limits
from subscriptions.customers import ensure_customer
from subscriptions.errors import (
    CardDeclined,
    MissingAtStripe,
    PaymentGatewayRefused,
    PaymentMethodRefused,
    TooManyCardFailures,
)
from subscriptions.models import Customer, Subscription
from subscriptions.statuses import LIVE
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway import setup_intents
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.invoices import pay_invoice
from subscriptions.stripe_gateway.objects import StripePaymentMethod
from subscriptions.sync import refresh_customer

_UNPAID = ("past_due", "unpaid")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How far the setting-up of a card is; the secret completes it in the user's browser."""

    status: str
    setup_intent: str
    client_secret: str


def prepare_setup(user_id: UUID) -> Setup:
    """Let the user's browser collect a card; it becomes the default once Stripe tells us.

    Args:
        user_id: Whose card.
    """
    with time_budget():
        customer = ensure_customer(user_id)
        intent = setup_intents.create_setup_intent(
            stripe_customer_id=customer.stripe_customer_id or "",
            user_id=str(user_id),
            key=f"setup:{uuid4()}",
        )
    return Setup(status=intent.status, setup_intent=intent.id, client_secret=intent.client_secret)


def change_card(user_id: UUID, *, payment_method: str, source: str | None) -> Setup:
    """Pay with another card from now on, and at once whatever is overdue.

    Args:
        user_id: Whose card.
        payment_method: `pm_…`.
        source: The caller's address, for counting refused cards.

    Returns:
        `succeeded`, or `requires_action` with the secret to complete it; then the card becomes the
        default when Stripe reports success.

    Raises:
        CardDeclined: The card was refused and detached.
        PaymentMethodRefused: There is no such payment method, or it is somebody else's.
        TooManyCardFailures: Too many cards were refused lately.
    """
    limits.refuse_if_too_many_failures(
        user_id=user_id, source=source, payment_method=payment_method
    )
    operation = str(uuid4())
    with time_budget():
        customer = ensure_customer(user_id)
        try:
            return _set_up(customer, payment_method=payment_method, operation=operation)
        except CardDeclined as refusal:
            limits.remember_failure(
                user_id=user_id,
                source=source,
                payment_method=payment_method,
                fingerprint=refusal.fingerprint,
                code=refusal.members["decline_code"],
            )
            raise


def adopt_setup(setup_intent: str) -> None:
    """Make the card of a setup that has succeeded the default.

    Args:
        setup_intent: `seti_…`; one that is not ours, or not done, changes nothing.
    """
    try:
        intent = setup_intents.fetch_setup_intent(setup_intent)
    except MissingAtStripe:
        return
    customer = Customer.objects.filter(
        stripe_customer_id=intent.stripe_customer_id, deleted_at=None
    ).first()
    if intent.status != "succeeded" or not intent.makes_default or customer is None:
        return
    with contextlib.suppress(CardDeclined):
        _make_default(customer, payment_method=intent.payment_method_id, operation=intent.id)


def _set_up(customer: Customer, *, payment_method: str, operation: str) -> Setup:
    card = _attach(customer, payment_method=payment_method, operation=operation)
    try:
        limits.refuse_failing_card(card.fingerprint)
        intent = setup_intents.confirm_card(
            card.id,
            stripe_customer_id=customer.stripe_customer_id or "",
            user_id=str(customer.user_id),
            return_url=settings.BILLING.public_url,
            key=f"confirm:{operation}",
        )
    except (CardDeclined, TooManyCardFailures):
        stripe_customers.detach_payment_method(card.id, key=f"detach:{operation}")
        raise
    if intent.status == "succeeded":
        _make_default(customer, payment_method=card.id, operation=operation)
    return Setup(status=intent.status, setup_intent=intent.id, client_secret=intent.client_secret)


def _attach(customer: Customer, *, payment_method: str, operation: str) -> StripePaymentMethod:
    try:
        card, _ = stripe_customers.attach_payment_method(
            payment_method,
            stripe_customer_id=customer.stripe_customer_id or "",
            key=f"attach:{operation}",
        )
    except (MissingAtStripe, PaymentGatewayRefused):
        raise PaymentMethodRefused(
            "That payment method does not exist or cannot be used by you."
        ) from None
    return card


def _make_default(customer: Customer, *, payment_method: str, operation: str) -> None:
    """Use a card for the customer and the live subscription, and collect what is overdue."""
    stripe_customer_id = customer.stripe_customer_id or ""
    stripe_customers.make_default(
        payment_method, stripe_customer_id=stripe_customer_id, key=f"default:{operation}"
    )
    live = Subscription.objects.filter(customer=customer, stripe_status__in=LIVE).first()
    try:
        if live is not None:
            stripe_subscriptions.use_payment_method(
                live.stripe_subscription_id,
                payment_method=payment_method,
                key=f"subscription-default:{operation}",
            )
            _collect(live, payment_method=payment_method, operation=operation)
    finally:
        refresh_customer(stripe_customer_id, cause="card changed")


def _collect(live: Subscription, *, payment_method: str, operation: str) -> None:
    if live.stripe_status not in _UNPAID or live.latest_invoice_status != "open":
        return
    # Paid meanwhile is as good.
    with contextlib.suppress(PaymentGatewayRefused):
        pay_invoice(
            live.latest_invoice_id, payment_method=payment_method, key=f"collect:{operation}"
        )
