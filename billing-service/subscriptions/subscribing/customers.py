"""A user's customer at Stripe, made bare when it is first needed."""

import contextlib
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID, uuid4

from django.db import transaction

from subscriptions.errors import (
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    IdempotencyMismatch,
    NoSubscription,
    ReplayedFailure,
)
from subscriptions.models import Customer
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.customers import the_customer_exists
from subscriptions.sync.customer_rows import (
    acting_for,
    lock_customer_of_caller,
    lock_row,
    mark_deleted,
    note_stripe_id,
    take_place_of,
)

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


def with_customer(
    user_id: UUID, act: Callable[[Customer], Answer], *, leased: bool = True
) -> Answer:
    """Do something at Stripe for a user; make the customer if there is none.

    Args:
        user_id: Whose customer.
        act: Calls Stripe; called once more, for a new customer, if staff deleted the old one.
        leased: Let no other process act for the customer meanwhile.

    Raises:
        AttemptInProgress: Another request of the user is being processed.
        InvalidAccessToken: The user was deactivated a moment ago.
    """
    with time_budget():
        try:
            return _act(user_id, act, leased=leased)
        except CustomerDeletedAtStripe:
            return _act(user_id, act, leased=leased)


def _act(user_id: UUID, act: Callable[[Customer], Answer], *, leased: bool) -> Answer:
    with transaction.atomic():
        customer = lock_customer_of_caller(user_id)
    if leased or customer.stripe_customer_id is None:
        with acting_for(customer) as row:
            if row.stripe_customer_id is None:
                make_at_stripe(row)
            if leased:
                return _noticing_deletion(row, act)
            customer = row
    return _noticing_deletion(customer, act)


def _noticing_deletion(customer: Customer, act: Callable[[Customer], Answer]) -> Answer:
    try:
        with the_customer_exists(customer.stripe_customer_id or ""):
            return act(customer)
    except CustomerDeletedAtStripe:
        with transaction.atomic():
            mark_deleted(lock_row(customer), cause="deleted at Stripe")
        raise


def make_at_stripe(customer: Customer) -> None:
    """Make the customer of a leased row at Stripe, and note its id.

    It is made with metadata alone: what can change between two calls would make the second one
    under the same key a mismatch. An earlier customer of the user that was marked deleted and
    exists after all is used instead.
    """
    if _use_earlier(customer):
        return
    # One key for the row, so that a crash in between makes no second customer. The user's id
    # tells it from a row that had the number before a backup was restored.
    key = f"customer:{customer.user_id}:{customer.pk}"
    metadata = {"user_id": str(customer.user_id)}
    try:
        made = stripe_customers.create_bare_customer(metadata=metadata, key=key)
    except (ReplayedFailure, IdempotencyMismatch):
        # One that this call cannot reach may exist; nothing is ever billed to it.
        made = stripe_customers.create_bare_customer(metadata=metadata, key=f"{key}:{uuid4()}")
    note_stripe_id(customer, made.id)


def _use_earlier(customer: Customer) -> bool:
    earlier = Customer.objects.filter(user_id=customer.user_id, deleted_at__isnull=False)
    for row in earlier.exclude(stripe_customer_id=None):
        with contextlib.suppress(CustomerDeletedAtStripe, CustomerNotVisible):
            stripe_customers.fetch_customer(row.stripe_customer_id or "")
            take_place_of(row, customer=customer)
            return True
    return False
