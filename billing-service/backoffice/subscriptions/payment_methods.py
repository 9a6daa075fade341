"""The page of payment methods."""

import contextlib

from django.contrib import admin
from django.utils.safestring import SafeString

from backoffice.subscriptions.stripe_objects import StripeObjectAdmin, stripe_link
from subscriptions.errors import PaymentGatewayRefused, StripeObjectNotFound
from subscriptions.models import PaymentMethod
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.customers import detach_payment_method
from subscriptions.sync.writer import refresh_customer


@admin.register(PaymentMethod)
class PaymentMethodAdmin(StripeObjectAdmin[PaymentMethod]):
    """Cards: brand, last digits and expiry, never the number."""

    list_display = ("__str__", "customer", "expires", "is_default", "detached_at", "at_stripe")
    list_filter = ("is_default", ("detached_at", admin.EmptyFieldListFilter), "brand")
    search_fields = (
        "stripe_payment_method_id",
        "last4",
        "fingerprint",
        "customer__stripe_customer_id",
        "customer__user__username",
    )
    search_help_text = "Stripe's id, last four digits, fingerprint, customer or username"
    list_select_related = ("customer",)
    readonly_fields = ("at_stripe", "expires")
    ordering = ("-id",)
    effect = "the payment method is detached and can never be used again."

    @admin.display(description="Expires")
    def expires(self, row: PaymentMethod) -> str:
        """Show the month as it is printed on the card."""
        return f"{row.exp_month:02}/{row.exp_year}" if row.exp_month and row.exp_year else "—"

    @admin.display(description="At Stripe")
    def at_stripe(self, row: PaymentMethod) -> SafeString | str:
        """Link to the customer's page, which lists its payment methods."""
        return stripe_link("customers", row.customer.stripe_customer_id)

    def end_at_stripe(self, row: PaymentMethod) -> None:
        """Detach the card, unless it is detached already."""
        identifier = row.stripe_payment_method_id
        with time_budget(), contextlib.suppress(StripeObjectNotFound, PaymentGatewayRefused):
            detach_payment_method(identifier, key=f"admin-detach:{identifier}")

    def fetch_again(self, row: PaymentMethod) -> None:
        """Fetch the whole customer."""
        if row.customer.stripe_customer_id:
            refresh_customer(row.customer.stripe_customer_id, cause="resync in the admin")
