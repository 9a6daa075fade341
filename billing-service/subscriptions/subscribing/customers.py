"""A user's customer at Stripe, made when it is first needed."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from errors import BillingError
from subscriptions.errors import MissingAtStripe, NoSubscription, StoredFailure
from subscriptions.models import Customer
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.objects import StripeCustomer
from subscriptions.subscribing.attempts import LEASE, refuse_open_attempt, refuse_while_made
from subscriptions.sync.writer import Truth, bury_customer, lock_customer_of_caller, save_answer

Answer = TypeVar("Answer")


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


def with_customer(user_id: UUID, ask: Callable[[Customer], Answer]) -> Answer:
    """Ask Stripe something about a user's customer; make the customer if there is none.

    One that somebody deleted at Stripe is buried and made anew, as subscribing does.

    Args:
        user_id: Whose.
        ask: Calls Stripe; asked once more after a funeral.

    Raises:
        AttemptInProgress: Another request of the user is about to make it.
        InvalidAccessToken: The user was switched off a moment ago.
    """
    customer = ensure_customer(user_id)
    try:
        return ask(customer)
    except MissingAtStripe as missing:
        if missing.param != "customer":
            raise
    bury_customer(customer, cause="unknown at Stripe")
    return ask(ensure_customer(user_id))


def ensure_customer(user_id: UUID) -> Customer:
    """Return the user's customer row, making the customer at Stripe if there is none.

    Args:
        user_id: Whose.

    Raises:
        AttemptInProgress: Another request of the user is about to make it.
        InvalidAccessToken: The user was switched off a moment ago.
    """
    with transaction.atomic():
        customer = lock_customer_of_caller(user_id)
        if customer.stripe_customer_id:
            return customer
        refuse_while_made(customer)
        refuse_open_attempt(user_id)
        _hold(customer, LEASE)
    try:
        made = _make(customer)
    except BillingError:
        # It may have been made all the same: the next to come asks under the same key.
        _hold(customer, timedelta(0))
        raise
    save_answer(customer, truth=Truth(customer=made), cause="customer made")
    customer.refresh_from_db()
    return customer


def _make(customer: Customer) -> StripeCustomer:
    # One key for the row, so that two calls at once, or a crash in between, make one customer.
    # The user's id tells it from a row that had the number before a backup was restored.
    key = f"customer:{customer.user_id}:{customer.pk}"
    metadata = {"user_id": str(customer.user_id)}
    try:
        return stripe_customers.create_bare_customer(metadata=metadata, key=key)
    except StoredFailure:
        # One that this call cannot reach may exist; nothing is ever billed to it.
        return stripe_customers.create_bare_customer(metadata=metadata, key=f"{key}:{uuid4()}")


def _hold(customer: Customer, how_long: timedelta) -> None:
    Customer.objects.filter(pk=customer.pk).update(making_until=timezone.now() + how_long)
