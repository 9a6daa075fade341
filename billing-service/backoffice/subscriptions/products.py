"""The page of products on sale."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString

from backoffice.bulk_actions import NotDone, for_each_row
from backoffice.subscriptions.stripe_objects import stripe_link
from errors import BillingError
from subscriptions.catalogue import products
from subscriptions.models import SubscriptionProduct
from subscriptions.money import price_text

_COPIED_FROM_STRIPE = (
    "stripe_product_id",
    "title",
    "unit_amount",
    "unit_amount_decimal",
    "currency",
    "interval",
    "interval_count",
    "active_at_stripe",
    "synced_at",
)
_NOT_SOLD = "cannot be bought: Stripe has no such active price."


@admin.register(SubscriptionProduct)
class SubscriptionProductAdmin(admin.ModelAdmin[SubscriptionProduct]):
    """Our names for Stripe's prices, with the amounts that Stripe has."""

    list_display = (
        "name",
        "title",
        "price",
        "on_sale",
        "active_at_stripe",
        "at_stripe",
    )
    list_filter = ("on_sale", "active_at_stripe", "currency", "interval")
    search_fields = ("name", "title", "price_reference", "stripe_product_id")
    readonly_fields = (*_COPIED_FROM_STRIPE, "price", "at_stripe")
    actions = ("resync",)

    @admin.display(description="Price", ordering="unit_amount_decimal")
    def price(self, row: SubscriptionProduct) -> str:
        """Show the amount as people write it, and how often it is billed."""
        return price_text(row)

    @admin.display(description="At Stripe")
    def at_stripe(self, row: SubscriptionProduct) -> SafeString | str:
        """Link to Stripe's page."""
        return stripe_link("prices", row.price_reference)

    def save_model(
        self, request: HttpRequest, obj: SubscriptionProduct, form: Any, change: bool
    ) -> None:
        """Save, then copy the price from Stripe."""
        # Not the other columns: an event may have brought news since they were read.
        obj.save(update_fields=form.changed_data if change else None)
        # No transaction stays open while Stripe is asked.
        transaction.on_commit(lambda: self._copy_price_now(request, obj))

    @for_each_row(permission="change", description="Resync from Stripe")
    def resync(self, request: HttpRequest, row: SubscriptionProduct) -> str:
        """Fetch the amount again."""
        if not products.mirror_price(row):
            raise NotDone(f"{row} {_NOT_SOLD}")
        return "Fetched from Stripe."

    def _copy_price_now(self, request: HttpRequest, row: SubscriptionProduct) -> None:
        try:
            is_sold_at_stripe = products.mirror_price(row)
        except BillingError as refusal:
            self.message_user(
                request, f"{row}: the amount could not be read. {refusal.detail}", messages.WARNING
            )
            return
        if not is_sold_at_stripe:
            self.message_user(request, f"{row} {_NOT_SOLD}", messages.WARNING)
