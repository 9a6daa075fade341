"""Deletes a customer at Stripe, which cancels its subscriptions at once."""

import contextlib

from subscriptions.errors import MissingAtStripe
from subscriptions.models import Customer
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.sync.writer import bury_customer, refresh_customer


def delete_customer(customer: Customer, *, cause: str) -> None:
    """Delete a customer at Stripe and mark our row and its subscriptions as ended.

    Args:
        customer: Our row.
        cause: Why, for the timeline: at most 64 characters.

    Raises:
        PaymentGatewayUnavailable: Stripe does not answer; nothing was marked.
    """
    with time_budget():
        if customer.stripe_customer_id:
            # Already deleted at Stripe is what we want.
            with contextlib.suppress(MissingAtStripe):
                stripe_customers.delete_customer(customer.stripe_customer_id)
            refresh_customer(customer.stripe_customer_id, cause=cause)
        bury_customer(customer, cause=cause)
