"""Acts at Stripe for a user, with the user's customer."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from subscriptions.errors import (
    CustomerDeletedAtStripe,
    NoSubscription,
)
from subscriptions.models import Customer
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.customers import the_customer_exists
from subscriptions.sync.customer_rows import (
    acting_for,
    lock_customer_of_caller,
    lock_row,
    make_at_stripe,
    mark_deleted,
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
