"""Stripe's own pages for subscribing and for managing a subscription."""

from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from errors import BillingError
from subscriptions.catalogue.products import product_on_sale
from subscriptions.errors import (
    AttemptInProgress,
    MissingAtStripe,
    NoSubscription,
)
from subscriptions.managing.plan import cancel_row
from subscriptions.models import Customer, Subscription, SubscriptionProduct
from subscriptions.stripe_gateway import hosted_pages
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.subscribing.attempts import refuse_open_attempt, refuse_second_subscription
from subscriptions.subscribing.customers import known_customer, with_customer
from subscriptions.sync.writer import bury_customer, lock_customer_of_caller, refresh_customer

_DEFAULT_PATH = "/api/docs/"


def open_checkout(
    user_id: UUID, *, product_name: str, success_path: str | None, cancel_path: str | None
) -> str:
    """Return the URL of a page on which the user subscribes; a webhook reports the outcome.

    The caller names paths only, so that the page returns to our own address and no other. One way
    to subscribe is open at a time: an earlier page is closed, and so is a payment that waits for
    3-D Secure.

    Args:
        user_id: Of the user.
        product_name: Such as `basic_subscription`.
        success_path: Where the page returns to after the payment.
        cancel_path: Where it returns to if the user cancels.

    Raises:
        UnknownProduct: It is not on sale.
        AlreadySubscribed: The user has a live subscription.
        AttemptInProgress: Another request to subscribe, or for a page, is in progress.
    """
    product = product_on_sale(product_name)
    _refuse_beside_others(user_id)

    def ask(customer: Customer) -> str:
        return _open_checkout(
            customer,
            product=product,
            success_url=_address(success_path),
            cancel_url=_address(cancel_path),
        )

    with time_budget():
        return with_customer(user_id, ask)


def open_portal(user_id: UUID, *, return_path: str | None) -> str:
    """Return the URL of a page on which the user manages cards and invoices.

    Args:
        user_id: Of the user.
        return_path: Where the page returns to.

    Raises:
        NoSubscription: Stripe does not know the user.
    """
    customer = known_customer(user_id)
    try:
        with time_budget():
            return hosted_pages.create_portal_session(
                stripe_customer_id=customer.stripe_customer_id or "",
                return_url=_address(return_path),
                key=f"portal:{uuid4()}",
            )
    except MissingAtStripe as missing:
        if missing.param != "customer":
            raise
        bury_customer(customer, cause="unknown at Stripe")
        raise NoSubscription("You have no customer record any more.") from None


def _open_checkout(
    customer: Customer, *, product: SubscriptionProduct, success_url: str, cancel_url: str
) -> str:
    _close_other_ways(customer)
    session, url = hosted_pages.create_checkout_session(
        stripe_customer_id=customer.stripe_customer_id or "",
        price=product.price_reference,
        user_id=str(customer.user_id),
        success_url=success_url,
        cancel_url=cancel_url,
        key=f"checkout:{uuid4()}",
    )
    try:
        _store(session, customer=customer)
    except BillingError:
        # Its URL was not sent to anyone.
        hosted_pages.close_checkout_session(session)
        raise
    return url


def _close_other_ways(customer: Customer) -> None:
    session = customer.checkout_session
    completed = bool(session) and hosted_pages.close_checkout_session(session)
    waiting = _waiting_payments(customer)
    if completed or waiting.exists():
        # A page that was just completed may not have been reported yet.
        refresh_customer(customer.stripe_customer_id or "", cause="another page is opened")
        refuse_second_subscription(customer.user_id)
    for row in waiting:
        cancel_row(row, at_period_end=False)


def _refuse_beside_others(user_id: UUID) -> Customer:
    with transaction.atomic():
        customer = lock_customer_of_caller(user_id)
        refuse_second_subscription(user_id)
        refuse_open_attempt(user_id)
        return customer


@transaction.atomic
def _store(session: str, *, customer: Customer) -> None:
    """Store the page, unless another way to subscribe was opened since the earlier one closed."""
    row = _refuse_beside_others(customer.user_id)
    same = (row.pk, row.checkout_session) == (customer.pk, customer.checkout_session)
    if not same or _waiting_payments(row).exists():
        raise AttemptInProgress(retry_after_seconds=5)
    Customer.objects.filter(pk=row.pk).update(checkout_session=session)


def _waiting_payments(customer: Customer) -> QuerySet[Subscription]:
    return Subscription.objects.select_related("customer").filter(
        customer=customer, is_current=True, stripe_status="incomplete"
    )


def _address(path: str | None) -> str:
    return settings.BILLING.public_url + (path or _DEFAULT_PATH)
