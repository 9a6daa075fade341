"""A user's customer at Stripe, made when it is first needed; and the user's goodbye."""

import contextlib
from uuid import UUID

from django.db import transaction

from subscriptions.attempts import State
from subscriptions.errors import AttemptInProgress, MissingAtStripe, NoSubscription
from subscriptions.models import Customer, SubscribeAttempt
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.subscribe import finish_stale
from subscriptions.sync import (
    Truth,
    bury_customer,
    lock_customer_of_caller,
    refresh_customer,
    save_answer,
)


def known_customer(user_id: UUID) -> Customer:
    """Return the user's customer row if Stripe has the customer.

    Raises:
        NoSubscription: The user never got as far as Stripe.
    """
    customer = (
        Customer.objects.filter(user_id=user_id, deleted_at=None)
        .exclude(stripe_customer_id=None)
        .first()
    )
    if customer is None:
        raise NoSubscription("You have no customer record yet.")
    return customer


def ensure_customer(user_id: UUID) -> Customer:
    """Return the user's customer row, making the customer at Stripe if there is none.

    Args:
        user_id: Whose.

    Raises:
        AttemptInProgress: A try to subscribe is about to make it.
        InvalidAccessToken: The user was switched off a moment ago.
    """
    with transaction.atomic():
        customer = lock_customer_of_caller(user_id)
    if customer.stripe_customer_id:
        return customer
    if SubscribeAttempt.objects.filter(user_id=user_id, state=State.OPEN).exists():
        raise AttemptInProgress(retry_after_seconds=5)
    # One key for the row, so that two calls at once, or a crash in between, make one customer.
    made = stripe_customers.create_bare_customer(
        metadata={"user_id": str(user_id)}, key=f"customer:{customer.pk}"
    )
    save_answer(customer, truth=Truth(customer=made), cause="customer made")
    customer.refresh_from_db()
    return customer


def cancel_everything_for(user_id: UUID) -> None:
    """End whatever a user is billed for at Stripe, and forget their cards; safe to repeat.

    Deleting the customer cancels its subscriptions at once and lets Stripe forget the person.

    Args:
        user_id: Who is about to be deleted.

    Raises:
        AttemptInProgress: A try to subscribe is under way; come back when it has ended.
        PaymentGatewayUnavailable: Stripe is away; nothing may be assumed.
    """
    finish_stale(user_id=user_id)
    if SubscribeAttempt.objects.filter(user_id=user_id, state=State.OPEN).exists():
        raise AttemptInProgress(retry_after_seconds=30)
    for customer in Customer.objects.filter(user_id=user_id, deleted_at=None):
        delete_customer(customer, cause="user deleted")


def delete_customer(customer: Customer, *, cause: str) -> None:
    """Delete a customer at Stripe, see that its subscriptions ended, and keep a tombstone.

    Args:
        customer: Our row.
        cause: For the timeline.
    """
    with time_budget():
        if customer.stripe_customer_id:
            # Somebody may have deleted it before; that is what we want.
            with contextlib.suppress(MissingAtStripe):
                stripe_customers.delete_customer(customer.stripe_customer_id)
            refresh_customer(customer.stripe_customer_id, cause=cause)
        bury_customer(customer, cause=cause)
