"""Customers and their payment methods at Stripe."""

from collections.abc import Iterator

from subscriptions.stripe_gateway.client import call
from subscriptions.stripe_gateway.objects import (
    StripeCustomer,
    StripePaymentMethod,
    read_customer,
    read_payment_method,
)


def create_customer(
    *, payment_method: str, metadata: dict[str, str], key: str
) -> tuple[StripeCustomer, StripePaymentMethod]:
    """Make a customer whose default payment method is the given one.

    Stripe attaches the payment method on the way; a card that refuses to be attached leaves no
    customer behind.

    Args:
        payment_method: `pm_…`, one of Stripe's test ids included.
        metadata: What to keep at the customer, so that it can be traced back to a user.
        key: Idempotency key.

    Raises:
        CardDeclined: The card cannot be attached.
        MissingAtStripe: There is no such payment method.
    """
    data = call(
        "post",
        "/v1/customers",
        params={
            "payment_method": payment_method,
            "invoice_settings": {"default_payment_method": payment_method},
            "metadata": metadata,
            "expand": ["invoice_settings.default_payment_method"],
        },
        key=key,
    )
    attached = read_payment_method(data["invoice_settings"]["default_payment_method"])
    return read_customer(data), attached


def create_bare_customer(*, metadata: dict[str, str], key: str) -> StripeCustomer:
    """Make a customer who has no payment method yet.

    Args:
        metadata: What to keep at the customer, so that it can be traced back to a user.
        key: Idempotency key.
    """
    return read_customer(call("post", "/v1/customers", params={"metadata": metadata}, key=key))


def attach_payment_method(
    payment_method: str, *, stripe_customer_id: str, key: str
) -> tuple[StripePaymentMethod, StripeCustomer]:
    """Attach a payment method, and learn the customer's subscriptions in the same call.

    Args:
        payment_method: `pm_…`; one of Stripe's test ids yields a new id.
        stripe_customer_id: Whom to attach it to.
        key: Idempotency key.

    Raises:
        CardDeclined: The card cannot be attached.
        MissingAtStripe: There is no such payment method, or no such customer.
        PaymentGatewayRefused: It belongs to another customer.
    """
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
    customer = data["customer"]
    return read_payment_method(data), read_customer(customer)


def detach_payment_method(payment_method: str, *, key: str) -> None:
    """Take a payment method from its customer; it can never be used again.

    Args:
        payment_method: `pm_…`.
        key: Idempotency key.
    """
    call("post", "/v1/payment_methods/{}/detach", payment_method, key=key)


def make_default(payment_method: str, *, stripe_customer_id: str, key: str) -> StripeCustomer:
    """Let a customer's invoices be paid with a payment method from now on.

    Args:
        payment_method: `pm_…`, attached to the customer.
        stripe_customer_id: Whose default it becomes.
        key: Idempotency key.
    """
    data = call(
        "post",
        "/v1/customers/{}",
        stripe_customer_id,
        params={"invoice_settings": {"default_payment_method": payment_method}},
        key=key,
    )
    return read_customer(data)


def fetch_customer(stripe_customer_id: str) -> StripeCustomer:
    """Fetch a customer; one that was deleted is answered with `deleted` set.

    Raises:
        MissingAtStripe: Stripe never knew it.
    """
    return read_customer(call("get", "/v1/customers/{}", stripe_customer_id))


def fetch_payment_methods(stripe_customer_id: str) -> list[StripePaymentMethod]:
    """Fetch the payment methods attached to a customer.

    Raises:
        MissingAtStripe: Stripe does not know the customer.
    """
    data = call(
        "get", "/v1/customers/{}/payment_methods", stripe_customer_id, params={"limit": 100}
    )
    return [read_payment_method(each) for each in data["data"]]


def delete_customer(stripe_customer_id: str) -> None:
    """Delete a customer for good; Stripe cancels its subscriptions at once.

    Raises:
        MissingAtStripe: It is gone already.
    """
    call("delete", "/v1/customers/{}", stripe_customer_id)


def find_customer_of(user_id: str) -> StripeCustomer | None:
    """Look for a user's customer by its metadata; what was made a minute ago may be missing."""
    data = call(
        "get",
        "/v1/customers/search",
        params={"query": f"metadata['user_id']:'{user_id}'", "limit": 1},
    )
    return read_customer(data["data"][0]) if data["data"] else None


def pages_of_customers(*, after: str | None) -> Iterator[list[StripeCustomer]]:
    """Yield pages of all customers of the account, newest first.

    Args:
        after: Go on behind this customer.
    """
    while True:
        page = call(
            "get",
            "/v1/customers",
            params={"limit": 100, **({"starting_after": after} if after else {})},
        )
        yield [read_customer(each) for each in page["data"]]
        if not page["has_more"]:
            return
        after = page["data"][-1]["id"]
