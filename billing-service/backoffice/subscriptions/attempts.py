"""The pages of subscribe attempts and of card failures."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from backoffice.subscriptions.stripe_objects import (
    ReadOnlyModelAdmin,
    links,
    stripe_link,
    timeline_link,
)
from subscriptions.models import CardFailure, SubscribeAttempt


@admin.register(SubscribeAttempt)
class SubscribeAttemptAdmin(ReadOnlyModelAdmin[SubscribeAttempt]):
    """Each attempt to subscribe, its outcome, and its calls at Stripe with their keys."""

    list_display = (
        "created_at",
        "user",
        "product_name",
        "state",
        "links",
        "closed_at",
        "resumed",
        "id",
    )
    list_filter = ("state", "resumed", "product_name", "created_at")
    search_fields = (
        "id",
        "idempotency_key",
        "stripe_subscription_id",
        "stripe_customer_id",
        "user__username",
        "user__id",
    )
    search_help_text = "Attempt, Idempotency-Key, Stripe's ids, username or user id"
    list_select_related = ("user",)
    readonly_fields = ("at_stripe", "timeline")
    ordering = ("-created_at",)

    def has_delete_permission(
        self, request: HttpRequest, obj: SubscribeAttempt | None = None
    ) -> bool:
        """Keep open attempts: the worker needs the row to finish what was begun at Stripe."""
        is_open = obj is not None and obj.state == SubscribeAttempt.State.OPEN
        return super().has_delete_permission(request, obj) and not is_open

    @admin.display(description="At Stripe")
    def at_stripe(self, row: SubscribeAttempt) -> SafeString | str:
        """Link to the subscription that the attempt created."""
        return stripe_link("subscriptions", row.stripe_subscription_id)

    @admin.display(description="Links")
    def links(self, row: SubscribeAttempt) -> SafeString:
        """Link to Stripe and to the timeline."""
        return links("subscriptions", row.stripe_subscription_id, user_id=row.user_id)

    @admin.display(description="Timeline")
    def timeline(self, row: SubscribeAttempt) -> SafeString:
        """Link to the user's timeline."""
        return timeline_link(row.user_id)


@admin.register(CardFailure)
class CardFailureAdmin(ReadOnlyModelAdmin[CardFailure]):
    """Cards that were declined; many from one address are card testing."""

    list_display = ("at", "code", "user", "source", "fingerprint")
    list_filter = ("code", "at")
    search_fields = ("source", "fingerprint", "user__username", "user__id")
    list_select_related = ("user",)
    ordering = ("-at",)
