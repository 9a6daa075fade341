"""A user's invoices, read from Stripe each time."""

from uuid import UUID

from subscriptions.errors import NoSubscription, StripeObjectNotFound
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.invoices import fetch_invoices
from subscriptions.stripe_gateway.objects import StripeInvoice
from subscriptions.subscribing.customers import known_customer


def page_of_invoices(
    user_id: UUID, *, limit: int, after: str | None
) -> tuple[list[StripeInvoice], str | None]:
    """Return a page of a user's invoices, newest first, and the cursor of the next page.

    Args:
        limit: Invoices a page, 1 to 100.
        after: The cursor that the page before ended with: an invoice of this customer.
    """
    try:
        customer = known_customer(user_id)
    except NoSubscription:
        return [], None
    try:
        with time_budget():
            found, more = fetch_invoices(
                customer.stripe_customer_id or "", limit=limit, after=after
            )
    except StripeObjectNotFound:
        return [], None
    return found, found[-1].id if found and more else None
