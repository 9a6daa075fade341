"""The pages of tries to subscribe and of refused cards."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from backoffice.subscriptions.stripe_objects import LookOnly, stripe_link, timeline_link
from subscriptions.models import CardFailure, SubscribeAttempt


@admin.register(SubscribeAttempt)
class SubscribeAttemptAdmin(LookOnly[SubscribeAttempt]):
    """Each try, how it ended, and what it sent to Stripe under which key."""

    list_display = (
        "created_at",
        "user",
        "product_name",
        "state",
        "closed_at",
        "resumed",
        "at_stripe",
        "timeline",
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
        """Keep open tries: without the row nobody could finish what they began at Stripe."""
        is_open = obj is not None and obj.state == SubscribeAttempt.State.OPEN
        return super().has_delete_permission(request, obj) and not is_open

    @admin.display(description="At Stripe")
    def at_stripe(self, row: SubscribeAttempt) -> SafeString | str:
        """Link to what the try made."""
        return stripe_link("subscriptions", row.stripe_subscription_id)

    @admin.display(description="Timeline")
    def timeline(self, row: SubscribeAttempt) -> SafeString:
        """Link to the user's timeline."""
        return timeline_link(row.user_id)


@admin.register(CardFailure)
class CardFailureAdmin(LookOnly[CardFailure]):
    """Refused cards; many from one source are a card test."""

    list_display = ("at", "code", "user", "source", "fingerprint")
    list_filter = ("code", "at")
    search_fields = ("source", "fingerprint", "user__username", "user__id")
    list_select_related = ("user",)
    ordering = ("-at",)
