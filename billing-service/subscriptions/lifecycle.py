"""What a subscriber can do to a subscription: end it, keep it, change it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from subscriptions.catalogue import product_on_sale
from subscriptions.errors import MissingAtStripe, PaymentGatewayRefused, WrongState
from subscriptions.models import Subscription, SubscriptionProduct
from subscriptions.reading import current_subscription
from subscriptions.statuses import ENDED
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.invoices import preview_change
from subscriptions.stripe_gateway.objects import StripeSubscription
from subscriptions.sync import Truth, refresh_customer, save_answer

_CHANGEABLE = ("active", "trialing")


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
        user_id: Whose.
        at_period_end: Keep access until the paid period is over; otherwise it ends now.

    Raises:
        NoSubscription: There is none.
        WrongState: It has ended already.
    """
    row = _not_ended(user_id)
    if at_period_end and row.stripe_status == "incomplete":
        raise WrongState("Nothing is paid yet, so there is no period to wait for.")
    cancel_row(row, at_period_end=at_period_end)


def cancel_row(row: Subscription, *, at_period_end: bool) -> None:
    """End one subscription at Stripe and write down what became of it.

    Args:
        row: A subscription that has not ended.
        at_period_end: Whether to wait for the end of the paid period.
    """
    if at_period_end:
        key = f"cancel-at-period-end:{row.stripe_subscription_id}:{uuid4()}"
        _apply(
            row,
            cause="cancel at period end",
            call=lambda: stripe_subscriptions.set_cancel_at_period_end(
                row.stripe_subscription_id, cancel=True, key=key
            ),
        )
    else:
        _apply(
            row,
            cause="cancel",
            call=lambda: stripe_subscriptions.cancel_subscription(row.stripe_subscription_id),
        )


def resume(user_id: UUID) -> None:
    """Take a cancellation back while the paid period still runs.

    Args:
        user_id: Whose.

    Raises:
        NoSubscription: There is none.
        WrongState: It has ended, or is not about to end.
    """
    row = _not_ended(user_id)
    if not row.cancel_at_period_end and row.cancel_at is None:
        raise WrongState("The subscription is not about to end.")
    key = f"resume:{row.stripe_subscription_id}:{uuid4()}"
    _apply(
        row,
        cause="resume",
        call=lambda: stripe_subscriptions.set_cancel_at_period_end(
            row.stripe_subscription_id, cancel=False, key=key
        ),
    )


def change(user_id: UUID, *, product_name: str) -> None:
    """Move a user's subscription to another product, prorated.

    A dearer product is charged for at once, a cheaper one leaves a credit for the next invoice.

    Args:
        user_id: Whose.
        product_name: What to move to.

    Raises:
        UnknownProduct: It is not on sale.
        WrongState: It is the one they have, or the subscription is not in good standing.
        CardDeclined: The difference could not be paid; nothing has changed.
    """
    row, product = _changeable(user_id, product_name=product_name)
    key = f"change:{row.stripe_subscription_id}:{uuid4()}"
    _apply(
        row,
        cause=f"change to {product.name}",
        call=lambda: stripe_subscriptions.change_price(
            row.stripe_subscription_id,
            item_id=row.stripe_item_id,
            price=product.price_reference,
            charge_now=_is_dearer(product, than=row),
            key=key,
        ),
    )


def preview(user_id: UUID, *, product_name: str) -> Preview:
    """Compute what `change` would cost, without doing it.

    Args:
        user_id: Whose.
        product_name: What to move to.

    Raises:
        UnknownProduct, WrongState: As for `change`.
    """
    row, product = _changeable(user_id, product_name=product_name)
    charge_now = _is_dearer(product, than=row)
    with time_budget():
        invoice = preview_change(
            stripe_customer_id=row.customer.stripe_customer_id or "",
            stripe_subscription_id=row.stripe_subscription_id,
            item_id=row.stripe_item_id,
            price=product.price_reference,
            charge_now=charge_now,
        )
    return Preview(
        product=product,
        currency=invoice.currency,
        due_now=invoice.amount_due if charge_now else 0,
        next_invoice=(product.unit_amount or 0) if charge_now else invoice.amount_due,
        next_invoice_at=row.current_period_end,
        lines=invoice.lines,
    )


def _apply(row: Subscription, *, cause: str, call: Callable[[], StripeSubscription]) -> None:
    with time_budget():
        try:
            answer = call()
        except (MissingAtStripe, PaymentGatewayRefused):
            # It may have ended behind our back: learn that, then say so.
            refresh_customer(row.customer.stripe_customer_id or "", cause=cause)
            row.refresh_from_db()
            if row.stripe_status in ENDED:
                raise WrongState("The subscription has ended.") from None
            raise
        save_answer(row.customer, truth=Truth(subscriptions=(answer,)), cause=cause)


def _not_ended(user_id: UUID) -> Subscription:
    row = current_subscription(user_id)
    if row.stripe_status in ENDED:
        raise WrongState("The subscription has ended.")
    return row


def _changeable(user_id: UUID, *, product_name: str) -> tuple[Subscription, SubscriptionProduct]:
    product, row = product_on_sale(product_name), _not_ended(user_id)
    if row.stripe_status not in _CHANGEABLE:
        raise WrongState("Only a subscription that is paid can be changed.")
    if row.price_reference == product.price_reference:
        raise WrongState("That is the product you have.")
    return row, product


def _is_dearer(product: SubscriptionProduct, *, than: Subscription) -> bool:
    return (product.unit_amount or 0) > (than.unit_amount or 0)
