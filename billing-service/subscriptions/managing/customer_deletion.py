"""Deletes a customer at Stripe, which cancels its subscriptions at once."""

import contextlib

from django.db import transaction

from subscriptions.errors import (
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    StripeObjectNotFound,
)
from subscriptions.models import Customer
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.sync.customer_rows import acting_for, lock_row, mark_deleted


def delete_customer(customer: Customer, *, cause: str) -> None:
    """Delete a customer at Stripe and mark our row and its subscriptions as ended.

    Args:
        customer: Our row.
        cause: Why, for the timeline: at most 64 characters.

    Raises:
        AttemptInProgress: Another process acts for the customer.
        CustomerNotVisible: Our key does not reach the customer; it may go on being billed.
        PaymentGatewayUnavailable: Stripe does not answer; nothing was marked.
    """
    with acting_for(customer) as row:
        if row.stripe_customer_id:
            _delete_at_stripe(row.stripe_customer_id, is_marked=row.deleted_at is not None)
        with transaction.atomic():
            mark_deleted(lock_row(row), cause=cause)


def _delete_at_stripe(stripe_customer_id: str, *, is_marked: bool) -> None:
    try:
        stripe_customers.delete_customer(stripe_customer_id)
    except StripeObjectNotFound:
        # Deleted before, or out of our key's reach: only the customer itself says which.
        with contextlib.suppress(CustomerDeletedAtStripe):
            _fetch(stripe_customer_id, is_marked=is_marked)


def _fetch(stripe_customer_id: str, *, is_marked: bool) -> None:
    try:
        stripe_customers.fetch_customer(stripe_customer_id)
    except CustomerNotVisible:
        # One that is marked deleted went with the test data of its account.
        if not is_marked:
            raise
