"""What a subscriber can do to a subscription: end it, keep it, change it."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from subscriptions import card_testing
from subscriptions.catalogue.products import product_on_sale
from subscriptions.errors import (
    CardDeclined,
    CollectionPaused,
    CustomerDeletedAtStripe,
    PaymentDisputed,
    PaymentGatewayRefused,
    PaymentMethodRequired,
    StripeObjectNotFound,
    SubscriptionEnded,
    SubscriptionPaused,
    WrongState,
)
from subscriptions.models import PaymentMethod, Subscription, SubscriptionProduct
from subscriptions.status import access_is_withheld, current_subscription
from subscriptions.statuses import ENDED, IN_GOOD_STANDING
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.invoices import (
    CHARGE_NOW,
    KEEP,
    NEXT_INVOICE,
    ProrationBehavior,
    pay_invoice,
    preview_change,
    void_invoice,
)
from subscriptions.stripe_gateway.objects import StripeInvoice, StripeSubscription, decline_of
from subscriptions.sync.customer_rows import acting_for
from subscriptions.sync.writer import refresh_customer

# What Stripe answers to a payment that the user has to complete.
_NEEDS_AUTHENTICATION = {"authentication_required", "invoice_payment_intent_requires_action"}


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a change would cost."""

    product: SubscriptionProduct
    currency: str
    due_now: int
    next_invoice: int
    next_invoice_at: datetime | None
    lines: tuple[dict[str, Any], ...]


def cancel(user_id: UUID, *, at_period_end: bool) -> None:
    """End a user's subscription.

    Args:
        at_period_end: Keep access until the paid period is over; otherwise it ends now.

    Raises:
        NoSubscription: There is none.
        WrongState: It has ended already.
    """
    row = _not_ended(user_id)
    if at_period_end and row.stripe_status == "incomplete":
        raise WrongState("Nothing is paid yet, so there is no period to wait for.")
    cancel_row(row, at_period_end=at_period_end)


def cancel_row(row: Subscription, *, at_period_end: bool, cause: str = "cancel") -> None:
    """End one subscription at Stripe and write down what became of it.

    Args:
        row: A subscription that has not ended.
        at_period_end: Whether to wait for the end of the paid period.
        cause: Of an end now, for the timeline.
    """
    if at_period_end:
        with _acting(row, cause="cancel at period end"):
            if row.cancel_at is not None:
                _look(row, cause="cancel at period end")
            if not _ends_within_period(row):
                stripe_subscriptions.end_with_period(
                    row.stripe_subscription_id, key=f"cancel-at-period-end:{uuid4()}"
                )
        return
    # Ended is what was asked for; an earlier call whose answer was lost may have done it.
    with contextlib.suppress(SubscriptionEnded), _acting(row, cause=cause):
        stripe_subscriptions.cancel_subscription(row.stripe_subscription_id)


def resume(user_id: UUID, *, client_ip: str | None) -> None:
    """Withdraw a cancellation, or resume a subscription that is paused.

    A paused one begins a new period, which is charged. If the card requires 3-D Secure, it stays
    paused until its invoice is paid.

    Raises:
        NoSubscription: There is none.
        WrongState: It has ended, or is neither cancelled nor paused.
        CollectionPaused, PaymentDisputed: It is not for the user to resume.
        PaymentMethodRequired: It is paused, and there is no card.
        CardDeclined: The card was refused; it stays paused.
        TooManyCardFailures: Too many cards were refused lately.
    """
    row = _not_ended(user_id)
    with _acting(row, cause="resume"):
        # What there is to take back may have been decided on a page of Stripe's a moment ago.
        _look(row, cause="resume")
        if row.cancel_at_period_end or row.cancel_at is not None:
            stripe_subscriptions.withdraw_end(
                row.stripe_subscription_id,
                with_period=row.cancel_at_period_end,
                key=f"resume:{uuid4()}",
            )
        elif row.stripe_status == "paused":
            _unpause(row, client_ip=client_ip)
        elif access_is_withheld(row):
            raise PaymentDisputed
        elif row.collection_paused:
            raise CollectionPaused
        else:
            raise WrongState("The subscription is not cancelled.")


def _unpause(row: Subscription, *, client_ip: str | None) -> None:
    """Pay the invoice that ends a pause; the one of an earlier attempt, if it is open still."""
    card = _paying_card(row)
    if card is None:
        raise PaymentMethodRequired
    with _counting_refusals(row, client_ip=client_ip):
        invoice = row.latest_invoice_id if row.latest_invoice_status == "open" else ""
        if not invoice:
            resumed = stripe_subscriptions.resume(
                row.stripe_subscription_id, key=f"resume:{uuid4()}"
            )
            due = resumed.latest_invoice
            invoice = due.id if due is not None and due.status == "open" else ""
        if not invoice:
            return
        try:
            pay_invoice(
                invoice,
                payment_method=card.stripe_payment_method_id,
                key=f"resume-pay:{invoice}:{uuid4()}",
            )
        except CardDeclined as refusal:
            _look(row, cause="resume")
            if refusal.members["decline_code"] not in _NEEDS_AUTHENTICATION:
                raise


def _look(row: Subscription, *, cause: str) -> None:
    """Bring a row up to date; call under the lease.

    Raises:
        SubscriptionEnded: It has ended meanwhile.
    """
    refresh_customer(row.customer.stripe_customer_id or "", cause=cause, everything=False)
    row.refresh_from_db()
    if row.stripe_status in ENDED:
        raise SubscriptionEnded


def _ends_within_period(row: Subscription) -> bool:
    if row.cancel_at is None or row.current_period_end is None:
        return row.cancel_at_period_end
    return row.cancel_at <= row.current_period_end


def change(user_id: UUID, *, product_name: str, client_ip: str | None) -> str | None:
    """Move a user's subscription to another product, prorated.

    What Stripe computes as due is charged at once; if nothing is due, the difference is credited on
    the next invoice. If the card requires 3-D Secure, the change is pending at Stripe; a webhook
    reports its outcome.

    Args:
        client_ip: Of the caller, to count refused cards.

    Returns:
        The client secret that completes the payment, if it requires 3-D Secure.

    Raises:
        UnknownProduct: It is not on sale.
        WrongState: It is the one they have, or the subscription is not in good standing.
        PaymentMethodRequired: They have a free one and no card.
        CardDeclined: The difference could not be paid; nothing has changed.
        TooManyCardFailures: Too many cards were refused lately.
    """
    row, product = _changeable(user_id, product_name=product_name)
    cause = f"change to {product.name}"
    with _acting(row, cause=cause):
        if row.pending_price_reference:
            row = _without_pending_change(row, cause=cause)
            if row.price_reference == product.price_reference:
                return None
        # What is due is computed and charged for the same second.
        move = _Move(row, product=product)
        if move.preview(CHARGE_NOW).amount_due <= 0:
            move.make(NEXT_INVOICE)
            return None
        if row.product is not None and row.product.is_free and _paying_card(row) is None:
            # Stripe would call it a declined card.
            raise PaymentMethodRequired
        with _counting_refusals(row, client_ip=client_ip):
            changed = move.make(CHARGE_NOW)
            return _secret_or_decline(changed, cause=cause) if changed.pending_price_id else None


class _Move:
    """The item that is the plan, moved to the price of another product at one moment."""

    def __init__(self, row: Subscription, *, product: SubscriptionProduct) -> None:
        self._row, self._price, self._moment = row, product.price_reference, int(time.time())
        # Asked for now: a stored quantity may be older than a change on a page of Stripe's.
        found = stripe_subscriptions.fetch_subscription(row.stripe_subscription_id)
        self._quantity = next(
            (item.quantity for item in found.items if item.id == row.stripe_item_id), None
        )

    def preview(self, behavior: ProrationBehavior) -> StripeInvoice:
        """Return the invoice that it would lead to."""
        return preview_change(
            stripe_customer_id=self._row.customer.stripe_customer_id or "",
            stripe_subscription_id=self._row.stripe_subscription_id,
            item_id=self._row.stripe_item_id,
            price=self._price,
            quantity=self._quantity,
            proration_behavior=behavior,
            proration_date=self._moment,
        )

    def make(self, behavior: ProrationBehavior) -> StripeSubscription:
        """Make it, and leave the other items alone."""
        return stripe_subscriptions.change_price(
            self._row.stripe_subscription_id,
            item_id=self._row.stripe_item_id,
            price=self._price,
            quantity=self._quantity,
            proration_behavior=behavior,
            proration_date=self._moment,
            key=f"change:{self._row.stripe_subscription_id}:{uuid4()}",
        )


@contextlib.contextmanager
def _counting_refusals(row: Subscription, *, client_ip: str | None) -> Iterator[None]:
    """Charge the card that pays a subscription, unless too many cards were refused lately."""
    card = _paying_card(row)
    reference = card.stripe_payment_method_id if card else row.payment_method_reference
    card_testing.refuse_if_too_many_failures(
        user_id=row.user_id, client_ip=client_ip, payment_method=reference
    )
    card_testing.refuse_failing_card(card.fingerprint if card else "")
    try:
        yield
    except CardDeclined as refusal:
        card_testing.remember_failure(
            user_id=row.user_id,
            client_ip=client_ip,
            payment_method=reference,
            fingerprint=refusal.fingerprint or (card.fingerprint if card else ""),
            code=refusal.members["decline_code"],
        )
        raise


def _secret_or_decline(changed: StripeSubscription, *, cause: str) -> str:
    """Return the client secret of a pending change, or void the change if its charge failed."""
    payment = stripe_subscriptions.fetch_payment_of_latest_invoice(changed.id)
    invoice = changed.latest_invoice
    if invoice is None or payment.status != "requires_payment_method":
        return payment.client_secret
    void_invoice(invoice.id, key=f"give-up:{invoice.id}:{uuid4()}")
    refresh_customer(changed.stripe_customer_id, cause=cause, everything=False)
    raise decline_of(payment)


def _without_pending_change(row: Subscription, *, cause: str) -> Subscription:
    """Void an earlier pending change; it may have been paid meanwhile."""
    with contextlib.suppress(StripeObjectNotFound, PaymentGatewayRefused):
        void_invoice(row.latest_invoice_id, key=f"give-up:{row.latest_invoice_id}:{uuid4()}")
    refresh_customer(row.customer.stripe_customer_id or "", cause=cause, everything=False)
    return current_subscription(row.user_id)


def _paying_card(row: Subscription) -> PaymentMethod | None:
    cards = row.customer.payment_methods.filter(detached_at=None)
    named = cards.filter(stripe_payment_method_id=row.payment_method_reference)
    return named.first() or cards.filter(is_default=True).first()


def preview(user_id: UUID, *, product_name: str) -> Preview:
    """Compute what `change` would cost, without doing it.

    Raises:
        UnknownProduct, WrongState: As for `change`.
    """
    row, product = _changeable(user_id, product_name=product_name)
    with time_budget(), _noticing_the_end(row, cause="change previewed"):
        move = _Move(row, product=product)
        now = move.preview(CHARGE_NOW)
        charges = now.amount_due > 0
        # There is no renewal of one that ends before.
        ends = row.cancel_at_period_end or row.cancel_at is not None
        renewal = None if ends else move.preview(KEEP if charges else NEXT_INVOICE)
    return Preview(
        product=product,
        currency=now.currency,
        due_now=now.amount_due if charges else 0,
        next_invoice=renewal.amount_due if renewal else 0,
        next_invoice_at=renewal.period_end if renewal else None,
        lines=now.lines if charges or renewal is None else renewal.lines,
    )


@contextlib.contextmanager
def _acting(row: Subscription, *, cause: str) -> Iterator[None]:
    """Change a subscription under the lease, and look at what became of it.

    Raises:
        SubscriptionEnded: Stripe refused because it has ended.
    """
    with acting_for(row.customer), _noticing_the_end(row, cause=cause):
        yield
        refresh_customer(row.customer.stripe_customer_id or "", cause=cause, everything=False)


@contextlib.contextmanager
def _noticing_the_end(row: Subscription, *, cause: str) -> Iterator[None]:
    try:
        yield
    except (StripeObjectNotFound, PaymentGatewayRefused, CustomerDeletedAtStripe):
        refresh_customer(row.customer.stripe_customer_id or "", cause=cause)
        row.refresh_from_db()
        if row.stripe_status in ENDED:
            raise SubscriptionEnded from None
        raise


def _not_ended(user_id: UUID) -> Subscription:
    row = current_subscription(user_id)
    if row.stripe_status in ENDED:
        raise SubscriptionEnded
    return row


def _changeable(user_id: UUID, *, product_name: str) -> tuple[Subscription, SubscriptionProduct]:
    product, row = product_on_sale(product_name), _not_ended(user_id)
    if row.stripe_status == "paused":
        raise SubscriptionPaused
    if access_is_withheld(row):
        raise PaymentDisputed
    if row.collection_paused:
        raise CollectionPaused
    if row.stripe_status not in IN_GOOD_STANDING:
        raise WrongState("The subscription can be changed when its invoice is paid.")
    reference = product.price_reference
    if reference == row.price_reference or row.items.filter(price_reference=reference).exists():
        raise WrongState("You are subscribed to this product already.")
    return row, product
