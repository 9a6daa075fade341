"""Deletes a customer at Stripe, which cancels its subscriptions at once."""

import contextlib

from django.db import transaction

from subscriptions.errors import (
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    NotOurCustomer,
    StripeObjectNotFound,
)
from subscriptions.models import Customer
from subscriptions.statuses import ENDED
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.objects import StripeCustomer
from subscriptions.stripe_gateway.subscriptions import cancel_subscription, fetch_subscriptions_of
from subscriptions.sync.customer_rows import acting_for, lock_row, mark_deleted
from subscriptions.sync.subscription_rows import ours_among


def delete_customer(customer: Customer, *, cause: str) -> None:
    """Delete a customer at Stripe and mark our row and its subscriptions as ended.

    Args:
        customer: Our row.
        cause: Why, for the timeline: at most 64 characters.

    Raises:
        NotOurCustomer: Another application has it, or bills it. Nothing was done.
        AttemptInProgress: Another process acts for the customer.
        CustomerNotVisible: Our key does not reach the customer; it may go on being billed.
        PaymentGatewayUnavailable: Stripe does not answer; nothing was marked.
    """
    with acting_for(customer) as row:
        at_stripe = _fetch(row)
        if at_stripe is not None:
            _refuse_unless_ours(row, at_stripe)
            # Deleted meanwhile is as good.
            with contextlib.suppress(StripeObjectNotFound):
                stripe_customers.delete_customer(at_stripe.id)
        with transaction.atomic():
            mark_deleted(lock_row(row), cause=cause)


def let_go(customer: Customer, *, cause: str) -> None:
    """Leave a customer to another application: end what we bill, and forget whose it was.

    Args:
        customer: Our row.
        cause: Why, for the timeline: at most 64 characters.

    Raises:
        AttemptInProgress: Another process acts for the customer.
        PaymentGatewayUnavailable: Stripe does not answer; the same call may be repeated.
    """
    with acting_for(customer) as row:
        at_stripe = _fetch(row)
        if at_stripe is not None:
            for each in ours_among(fetch_subscriptions_of(at_stripe.id)):
                if each.status not in ENDED:
                    with contextlib.suppress(StripeObjectNotFound):
                        cancel_subscription(each.id)
            if at_stripe.user_id == str(row.user_id):
                stripe_customers.write_user_id(at_stripe.id, "")
        with transaction.atomic():
            locked = lock_row(row)
            mark_deleted(locked, cause=cause)
            locked.subscriptions.filter(is_ours=False).delete()
            # Not deleted at Stripe, so that no comparison expects it to be.
            Customer.objects.filter(pk=locked.pk).update(stripe_customer_id=None)


def _fetch(row: Customer) -> StripeCustomer | None:
    """Return the customer, or None if it is deleted or was never made."""
    if not row.stripe_customer_id:
        return None
    try:
        return stripe_customers.fetch_customer(row.stripe_customer_id)
    except CustomerDeletedAtStripe:
        return None
    except CustomerNotVisible:
        # One that is marked deleted went with the test data of its account.
        if row.deleted_at is None:
            raise
        return None


def _refuse_unless_ours(row: Customer, at_stripe: StripeCustomer) -> None:
    # Earlier versions took a customer with any user's id for one of ours; auth-service has never
    # sent us such a user.
    is_ours = at_stripe.user_id == str(row.user_id) or (
        not at_stripe.user_id and row.user.version > 0
    )
    found = fetch_subscriptions_of(at_stripe.id) if is_ours else []
    running = [each for each in found if each.status not in ENDED]
    if not is_ours or len(ours_among(running)) < len(running):
        raise NotOurCustomer(
            f"{at_stripe.id} belongs to another application or has a subscription of one. Delete "
            "it in Stripe's dashboard if that is what you want."
        )
