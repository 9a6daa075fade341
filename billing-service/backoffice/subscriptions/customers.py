"""The page of customers."""

from functools import partial

from django.contrib import admin
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from backoffice.subscriptions import customer_link
from backoffice.subscriptions.stripe_objects import (
    StripeObjectAdmin,
    links,
    stripe_link,
    timeline_link,
)
from subscriptions.managing.customer_deletion import delete_customer
from subscriptions.models import Customer
from subscriptions.sync.writer import refresh_customer


@admin.register(Customer)
class CustomerAdmin(StripeObjectAdmin[Customer]):
    """Users as Stripe's customers."""

    list_display = ("__str__", "user", "synced_at", "deleted_at", "links")
    list_filter = (("deleted_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("stripe_customer_id", "user__username", "user__email", "user__id")
    search_help_text = "Stripe's id, username, e-mail address or user id"
    list_select_related = ("user",)
    readonly_fields = ("at_stripe", "timeline")
    ordering = ("-id",)
    effect = "the customer and its payment methods are deleted, and its subscriptions end now."

    def get_urls(self) -> list[URLPattern]:
        """Add the page that links a customer at Stripe to a user."""
        view = self.admin_site.admin_view(partial(customer_link.show, self))
        return [path("link/", view, name="subscriptions_customer_link"), *super().get_urls()]

    @admin.display(description="At Stripe")
    def at_stripe(self, row: Customer) -> SafeString | str:
        """Link to Stripe's page."""
        return stripe_link("customers", row.stripe_customer_id)

    @admin.display(description="Timeline")
    def timeline(self, row: Customer) -> SafeString:
        """Link to the user's timeline."""
        return timeline_link(row.user_id)

    @admin.display(description="Links")
    def links(self, row: Customer) -> SafeString:
        """Link to Stripe and to the timeline."""
        return links("customers", row.stripe_customer_id, user_id=row.user_id)

    def end_at_stripe(self, row: Customer) -> None:
        """Delete the customer, and with it every subscription."""
        delete_customer(row, cause="deleted in the admin")

    def fetch_again(self, row: Customer) -> None:
        """Fetch customer, cards and subscriptions."""
        if row.stripe_customer_id:
            refresh_customer(row.stripe_customer_id, cause="resync in the admin")
