"""Stripe's own pages for subscribing and for managing a subscription."""

from uuid import UUID, uuid4

from django.conf import settings

from subscriptions.catalogue import product_on_sale
from subscriptions.customers import ensure_customer, known_customer
from subscriptions.errors import AlreadySubscribed
from subscriptions.models import Subscription
from subscriptions.statuses import LIVE
from subscriptions.stripe_gateway import hosted_pages
from subscriptions.stripe_gateway.client import time_budget

_DEFAULT_PATH = "/api/docs/"


def open_checkout(
    user_id: UUID, *, product_name: str, success_path: str | None, cancel_path: str | None
) -> str:
    """Return the address of a page on which the user subscribes; a webhook tells the outcome.

    Only paths are taken from the caller, so that the page can lead nowhere but to our own address.

    Args:
        user_id: Who subscribes.
        product_name: What to.
        success_path: Where the page leads when all is done.
        cancel_path: Where it leads when the user gives up.

    Raises:
        UnknownProduct: It is not on sale.
        AlreadySubscribed: The user has a live subscription.
    """
    product = product_on_sale(product_name)
    if Subscription.objects.filter(
        user_id=user_id, is_current=True, stripe_status__in=LIVE
    ).exists():
        raise AlreadySubscribed
    with time_budget():
        customer = ensure_customer(user_id)
        _, url = hosted_pages.create_checkout_session(
            stripe_customer_id=customer.stripe_customer_id or "",
            price=product.price_reference,
            user_id=str(user_id),
            success_url=_address(success_path),
            cancel_url=_address(cancel_path),
            key=f"checkout:{uuid4()}",
        )
    return url


def open_portal(user_id: UUID, *, return_path: str | None) -> str:
    """Return the address of a page on which the user manages cards and invoices.

    Args:
        user_id: Who.
        return_path: Where the page leads back to.

    Raises:
        NoSubscription: Stripe does not know the user.
    """
    customer = known_customer(user_id)
    with time_budget():
        return hosted_pages.create_portal_session(
            stripe_customer_id=customer.stripe_customer_id or "",
            return_url=_address(return_path),
            key=f"portal:{uuid4()}",
        )


def _address(path: str | None) -> str:
    return settings.BILLING.public_url + (path or _DEFAULT_PATH)
