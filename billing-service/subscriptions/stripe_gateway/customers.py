"""Customers and their payment methods at Stripe."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

from subscriptions.errors import (
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    PaymentGatewayRefused,
    PaymentMethodRefused,
    StripeObjectNotFound,
)
from subscriptions.stripe_gateway.client import call, pages
from subscriptions.stripe_gateway.objects import (
    MetadataKey,
    StripeCustomer,
    StripePaymentMethod,
    kept_under,
    read_customer,
    read_payment_method,
)


def create_bare_customer(*, user_id: str, contact: dict[str, str], key: str) -> StripeCustomer:
    """Make a customer who has no payment method yet.

    Args:
        user_id: Kept in the metadata.
        contact: `name` and `email`, as far as they are known.
    """
    params = {"metadata": {MetadataKey.USER_ID: user_id}, **contact}
    return read_customer(call("post", "/v1/customers", params=params, key=key))


def write_contact(stripe_customer_id: str, contact: dict[str, str], *, key: str) -> None:
    """Change what Stripe's receipts and reminders are addressed to.

    Args:
        stripe_customer_id: `cus_…`.
        contact: `name` and `email`; an empty text takes it away, what is left out stays.
        key: Idempotency key.

    Raises:
        StripeObjectNotFound: There is no such customer.
        PaymentGatewayRefused: Stripe does not take it for an address.
    """
    call("post", "/v1/customers/{}", stripe_customer_id, params=contact, key=key)


def attach_payment_method(
    payment_method: str, *, stripe_customer_id: str, key: str
) -> tuple[StripePaymentMethod, StripeCustomer]:
    """Attach a payment method, and learn the customer's subscriptions in the same call.

    Args:
        payment_method: `pm_…`; one of Stripe's test ids yields a new id.

    Raises:
        CardDeclined: The card cannot be attached.
        PaymentMethodRefused: There is no such payment method, or it is another customer's.
        CustomerDeletedAtStripe, CustomerNotVisible: There is no such customer.
    """
    try:
        with the_customer_exists(stripe_customer_id):
            data = call(
                "post",
                "/v1/payment_methods/{}/attach",
                payment_method,
                params={
                    "customer": stripe_customer_id,
                    "expand": ["customer.subscriptions.data.latest_invoice"],
                },
                key=key,
            )
    except (StripeObjectNotFound, PaymentGatewayRefused):
        raise PaymentMethodRefused(
            "This payment method does not exist or belongs to another customer."
        ) from None
    customer = data["customer"]
    if customer.get("deleted"):
        raise CustomerDeletedAtStripe
    return read_payment_method(data), read_customer(customer)


def detach_payment_method(payment_method: str, *, key: str) -> None:
    """Take a payment method from its customer; it can never be used again."""
    call("post", "/v1/payment_methods/{}/detach", payment_method, key=key)


def make_default(payment_method: str, *, stripe_customer_id: str, key: str) -> StripeCustomer:
    """Let a customer's invoices be paid with a payment method from now on.

    Args:
        payment_method: `pm_…`, attached to the customer.
    """
    data = call(
        "post",
        "/v1/customers/{}",
        stripe_customer_id,
        params={"invoice_settings": {"default_payment_method": payment_method}},
        key=key,
    )
    return read_customer(data)


def fetch_customer(stripe_customer_id: str, *, with_subscriptions: bool = False) -> StripeCustomer:
    """Fetch a customer.

    Args:
        with_subscriptions: Also its subscriptions that have not ended.

    Raises:
        CustomerDeletedAtStripe: It was deleted; Stripe still says so years later.
        CustomerNotVisible: Our key does not reach such a customer.
    """
    try:
        params = {"expand": ["subscriptions"]} if with_subscriptions else {}
        customer = read_customer(call("get", "/v1/customers/{}", stripe_customer_id, params=params))
    except StripeObjectNotFound:
        raise CustomerNotVisible(
            "The payment gateway does not show us your customer record."
        ) from None
    if customer.deleted:
        raise CustomerDeletedAtStripe
    return customer


@contextlib.contextmanager
def the_customer_exists(stripe_customer_id: str) -> Iterator[None]:
    """Find out why Stripe does not find the customer that a call inside the block names.

    Stripe answers the same for a customer that was deleted and for one of another account.

    Raises:
        CustomerDeletedAtStripe: It was deleted.
        CustomerNotVisible: Our key does not reach it.
    """
    try:
        yield
    except StripeObjectNotFound as missing:
        if missing.param in ("customer", "id"):
            fetch_customer(stripe_customer_id)
        raise


def fetch_payment_methods(stripe_customer_id: str) -> list[StripePaymentMethod]:
    """Fetch all payment methods attached to a customer.

    Raises:
        CustomerDeletedAtStripe, CustomerNotVisible: There is no such customer.
    """
    with the_customer_exists(stripe_customer_id):
        found = pages("/v1/customers/{}/payment_methods", stripe_customer_id)
        return [read_payment_method(each) for page in found for each in page]


def write_user_id(stripe_customer_id: str, user_id: str) -> None:
    """Note in a customer's metadata for which user it is; its other metadata stay.

    Args:
        stripe_customer_id: `cus_…`.
        user_id: Of the user; an empty text takes the note away.

    Raises:
        StripeObjectNotFound: There is no such customer.
        PaymentGatewayRefused: Stripe does not take it, such as one key more than there may be.
    """
    params = {"metadata": {MetadataKey.USER_ID: user_id}}
    call("post", "/v1/customers/{}", stripe_customer_id, params=params, key=f"user-id:{uuid4()}")


def delete_customer(stripe_customer_id: str) -> None:
    """Delete a customer for good; Stripe cancels its subscriptions at once.

    Raises:
        StripeObjectNotFound: It was deleted before, or our key does not reach it.
    """
    call("delete", "/v1/customers/{}", stripe_customer_id)


def find_customer_made_for(attempt_id: str, *, since: datetime) -> StripeCustomer | None:
    """Find the customer that an earlier version made for an attempt, together with its card.

    Args:
        attempt_id: Stands in the customer's metadata.
        since: When the attempt was opened; its keys were good for a day from then.
    """
    window = {"gte": int(since.timestamp()) - 60, "lte": int(since.timestamp()) + 86400}
    for page in pages("/v1/customers", params={"created": window}):
        for each in page:
            if kept_under(MetadataKey.ATTEMPT, each) == attempt_id:
                return read_customer(each)
    return None


def pages_of_customers(*, after: str | None) -> Iterator[list[StripeCustomer]]:
    """Yield pages of all customers of the account, newest first.

    Args:
        after: Go on behind this customer.
    """
    for page in pages("/v1/customers", after=after):
        yield [read_customer(each) for each in page]
