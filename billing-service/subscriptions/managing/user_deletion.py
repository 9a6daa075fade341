"""A user's goodbye: nothing more is billed, and what we kept of the person is forgotten."""

import contextlib
from uuid import UUID

from django.db import transaction

from subscriptions.errors import MissingAtStripe
from subscriptions.models import CardFailure, Customer, PaymentMethod, SubscribeAttempt
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.subscribing.attempts import refuse_open_attempt, refuse_while_made
from subscriptions.subscribing.subscribe import finish_stale
from subscriptions.sync.writer import bury_customer, lock_customer, refresh_customer


def cancel_everything_for(user_id: UUID) -> None:
    """End whatever a user is billed for at Stripe, and forget their cards; safe to repeat.

    Deleting the customer cancels its subscriptions at once and lets Stripe forget the person.

    Args:
        user_id: Who is about to be deleted, and switched off already.

    Raises:
        AttemptInProgress: A try to subscribe is under way; come back when it has ended.
        PaymentGatewayUnavailable: Stripe is away; nothing may be assumed.
    """
    finish_stale(user_id=user_id)
    _see_that_nothing_is_under_way(user_id)
    for customer in Customer.objects.filter(user_id=user_id, deleted_at=None):
        delete_customer(customer, cause="user deleted")
    forget_person(user_id)


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


@transaction.atomic
def forget_person(user_id: UUID) -> None:
    """Blank what says where a user was and what their cards look like; what was billed stays.

    Args:
        user_id: Whose customers are gone at Stripe.
    """
    SubscribeAttempt.objects.filter(user_id=user_id).update(source=None)
    CardFailure.objects.filter(user_id=user_id).delete()
    PaymentMethod.objects.filter(customer__user_id=user_id).update(
        brand="", last4="", exp_month=None, exp_year=None, fingerprint=""
    )


def _see_that_nothing_is_under_way(user_id: UUID) -> None:
    """Wait for whoever began before the user was switched off; later ones are refused."""
    with transaction.atomic():
        customer = lock_customer(user_id)
        refuse_open_attempt(user_id)
        refuse_while_made(customer)
        if customer.stripe_customer_id is None and not customer.attempts.exists():
            # Made by the lock; a tombstone would say that there had been somebody.
            customer.delete()
