"""Stripe's own pages for subscribing and for managing a subscription."""

import contextlib
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from subscriptions.catalogue.products import product_on_sale
from subscriptions.errors import (
    CustomerDeletedAtStripe,
    NoSubscription,
    PaymentGatewayRefused,
    PaymentUnderWay,
    StripeObjectNotFound,
)
from subscriptions.models import Customer, Subscription, SubscriptionProduct
from subscriptions.stripe_gateway import hosted_pages
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.customers import the_customer_exists
from subscriptions.stripe_gateway.invoices import void_invoice
from subscriptions.stripe_gateway.subscriptions import cancel_subscription
from subscriptions.subscribing.attempts import refuse_open_attempt, refuse_second_subscription
from subscriptions.subscribing.customers import known_customer, with_customer
from subscriptions.sync.customer_rows import lock_row, mark_deleted
from subscriptions.sync.writer import refresh_customer

_DEFAULT_PATH = "/api/docs/"


def open_checkout(
    user_id: UUID, *, product_name: str, success_path: str | None, cancel_path: str | None
) -> str:
    """Return the URL of a page on which the user subscribes; a webhook reports the outcome.

    The caller names paths only, so that the page returns to our own address and no other. One way
    to subscribe is open at a time: an earlier page is closed, and a payment that waits for 3-D
    Secure is ended.

    Args:
        product_name: What they subscribe to.
        success_path: Where the page returns to after the payment.
        cancel_path: Where it returns to if the user cancels.

    Raises:
        UnknownProduct: It is not on sale.
        AlreadySubscribed: The user has a live subscription.
        AttemptInProgress: Another request of the user is being processed.
        PaymentUnderWay: An earlier payment is being made right now.
    """
    product = product_on_sale(product_name)

    def act(customer: Customer) -> str:
        return _open_checkout(
            customer,
            product=product,
            success_url=_address(success_path),
            cancel_url=_address(cancel_path),
        )

    return with_customer(user_id, act)


def open_portal(user_id: UUID, *, return_path: str | None) -> str:
    """Return the URL of a page on which the user manages cards and invoices.

    Args:
        return_path: Where the page returns to.

    Raises:
        NoSubscription: Stripe does not know the user.
    """
    customer = known_customer(user_id)
    try:
        with time_budget(), the_customer_exists(customer.stripe_customer_id or ""):
            return hosted_pages.create_portal_session(
                stripe_customer_id=customer.stripe_customer_id or "",
                return_url=_address(return_path),
                key=f"portal:{uuid4()}",
            )
    except CustomerDeletedAtStripe:
        with transaction.atomic():
            mark_deleted(lock_row(customer), cause="deleted at Stripe")
        raise NoSubscription("You have no customer record any more.") from None


def _open_checkout(
    customer: Customer, *, product: SubscriptionProduct, success_url: str, cancel_url: str
) -> str:
    """Open a page under the lease, so that no attempt to subscribe begins meanwhile."""
    refuse_second_subscription(customer.user_id)
    refuse_open_attempt(customer.user_id)
    _close_other_ways(customer)
    session, url = hosted_pages.create_checkout_session(
        stripe_customer_id=customer.stripe_customer_id or "",
        price=product.price_reference,
        user_id=str(customer.user_id),
        success_url=success_url,
        cancel_url=cancel_url,
        key=f"checkout:{uuid4()}",
    )
    Customer.objects.filter(pk=customer.pk).update(checkout_session=session)
    return url


def _close_other_ways(customer: Customer) -> None:
    """Close an earlier page and end a payment that waits for the user.

    Raises:
        AlreadySubscribed: One of them was completed a moment ago.
        PaymentUnderWay: One of them is being paid right now.
    """
    session = customer.checkout_session
    completed = bool(session) and hosted_pages.close_checkout_session(session)
    waiting = Subscription.objects.filter(
        customer=customer, is_ours=True, stripe_status="incomplete"
    )
    if not completed and not waiting.exists():
        return
    _look(customer)
    for row in waiting.all():
        _end_unpaid(row)
    _look(customer)
    refuse_second_subscription(customer.user_id)
    if waiting.all().exists():
        raise PaymentUnderWay


def _end_unpaid(row: Subscription) -> None:
    # Stripe refuses to void what was paid meanwhile; a cancellation would end it.
    with contextlib.suppress(StripeObjectNotFound, PaymentGatewayRefused):
        if row.latest_invoice_status == "open":
            void_invoice(row.latest_invoice_id, key=f"void:{row.latest_invoice_id}:{uuid4()}")
        else:
            cancel_subscription(row.stripe_subscription_id)


def _look(customer: Customer) -> None:
    cause = "another page is opened"
    refresh_customer(customer.stripe_customer_id or "", cause=cause, everything=False)


def _address(path: str | None) -> str:
    return settings.BILLING.public_url + (path or _DEFAULT_PATH)
