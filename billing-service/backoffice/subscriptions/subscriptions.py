"""The page of subscriptions."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from backoffice.bulk_actions import for_each_row
from backoffice.subscriptions.stripe_objects import (
    StripeObjectAdmin,
    links,
    stripe_link,
    timeline_link,
)
from subscriptions.managing.plan import cancel_row
from subscriptions.models import Subscription, SubscriptionChange, SubscriptionItem
from subscriptions.money import price_text
from subscriptions.status import our_status_of
from subscriptions.statuses import ENDED
from subscriptions.sync.writer import refresh_customer


class ItemInline(admin.TabularInline[SubscriptionItem, Subscription]):
    """What it is made of."""

    model = SubscriptionItem
    fields = readonly_fields = (
        "product",
        "price_reference",
        "quantity",
        "unit_price",
        "current_period_end",
        "discounts",
        "stripe_item_id",
    )
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: items are copied from Stripe."""
        return False

    @admin.display(description="Unit price")
    def unit_price(self, row: SubscriptionItem) -> str:
        """Show the amount as people write it."""
        return price_text(row)


class ChangeInline(admin.TabularInline[SubscriptionChange, Subscription]):
    """The history of the subscription."""

    model = SubscriptionChange
    fields = readonly_fields = ("at", "cause", "before", "after")
    ordering = ("-at",)
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: only the service records changes."""
        return False


@admin.register(Subscription)
class SubscriptionAdmin(StripeObjectAdmin[Subscription]):
    """Subscriptions as Stripe last described them."""

    list_display = (
        "user",
        "our_status_of",
        "stripe_status",
        "product",
        "current_period_end",
        "cancel_at_period_end",
        "links",
        "is_current",
        "is_ours",
        "__str__",
    )
    list_filter = ("stripe_status", "product", "is_ours", "is_current", "cancel_at_period_end")
    search_fields = (
        "stripe_subscription_id",
        "price_reference",
        "user__username",
        "user__email",
        "user__id",
        "customer__stripe_customer_id",
    )
    search_help_text = "Stripe's ids, username, e-mail address or user id"
    list_select_related = ("user", "product", "customer")
    readonly_fields = ("our_status_of", "at_stripe", "invoice_at_stripe", "timeline")
    ordering = ("-id",)
    inlines = (ItemInline, ChangeInline)
    actions = ("resync", "cancel_at_the_period_end", "cancel_now", "delete_selected")
    effect = "the subscription is cancelled now."

    @admin.display(description="Status")
    def our_status_of(self, row: Subscription) -> str:
        """Show the status as the API reports it."""
        return our_status_of(row, now=timezone.now())

    @admin.display(description="At Stripe")
    def at_stripe(self, row: Subscription) -> SafeString | str:
        """Link to Stripe's page."""
        return stripe_link("subscriptions", row.stripe_subscription_id)

    @admin.display(description="Latest invoice at Stripe")
    def invoice_at_stripe(self, row: Subscription) -> SafeString | str:
        """Link to Stripe's page of the invoice."""
        return stripe_link("invoices", row.latest_invoice_id)

    @admin.display(description="Timeline")
    def timeline(self, row: Subscription) -> SafeString:
        """Link to the user's timeline."""
        return timeline_link(row.user_id)

    @admin.display(description="Links")
    def links(self, row: Subscription) -> SafeString:
        """Link to Stripe and to the timeline."""
        return links("subscriptions", row.stripe_subscription_id, user_id=row.user_id)

    def end_at_stripe(self, row: Subscription) -> None:
        """Cancel, unless it has ended."""
        if row.stripe_status not in ENDED:
            cancel_row(row, at_period_end=False)

    def fetch_again(self, row: Subscription) -> None:
        """Fetch the whole customer."""
        if row.customer.stripe_customer_id:
            refresh_customer(row.customer.stripe_customer_id, cause="resync in the admin")

    @for_each_row(
        permission="change",
        description="Cancel now",
        warning="They end now at Stripe, and access with them. Nothing is refunded.",
    )
    def cancel_now(self, request: HttpRequest, row: Subscription) -> str:
        """End a subscription at once."""
        return self._cancel(request, row, at_period_end=False, done="was cancelled.")

    @for_each_row(permission="change", description="Cancel at period end")
    def cancel_at_the_period_end(self, request: HttpRequest, row: Subscription) -> str:
        """Cancel a subscription at the end of the paid period."""
        return self._cancel(request, row, at_period_end=True, done="ends with its paid period.")

    def _cancel(
        self, request: HttpRequest, row: Subscription, *, at_period_end: bool, done: str
    ) -> str:
        if row.stripe_status in ENDED:
            return f"{row} has ended already."
        cancel_row(row, at_period_end=at_period_end)
        self.log_change(request, row, done)
        return f"{row} {done}"
