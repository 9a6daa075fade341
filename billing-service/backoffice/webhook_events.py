"""The page of webhook events."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from backoffice.bulk_actions import NotDone, for_each_row
from backoffice.subscriptions.stripe_objects import ReadOnlyModelAdmin, stripe_link
from webhooks.event_types import HANDLED
from webhooks.models import WebhookEvent
from webhooks.replay import replay


class TypeFilter(admin.SimpleListFilter):
    """The types that are handled; to find those that occur, the whole inbox would be read."""

    title = parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(each, each) for each in sorted(HANDLED)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookEvent]
    ) -> QuerySet[WebhookEvent]:
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyModelAdmin[WebhookEvent]):
    """Webhook events; those in the state `dead` failed and wait for a replay."""

    list_display = ("id", "state", "type", "received_at", "failures", "subject", "handled_at")
    list_filter = ("state", TypeFilter, "received_at")
    # Not "=id", which ignores case and so uses no index.
    search_fields = (
        *("id__exact", "subject__exact", "object_id__exact"),
        *("request_id__exact", "idempotency_key__exact"),
    )
    search_help_text = "An exact id: event, customer, object, request or idempotency key"
    readonly_fields = ("at_stripe",)
    ordering = ("-received_at",)
    actions = ("replay_selected",)

    @admin.display(description="At Stripe")
    def at_stripe(self, row: WebhookEvent) -> SafeString | str:
        """Link to Stripe's page of the event."""
        return stripe_link("events", row.id)

    @for_each_row(permission="change", description="Replay")
    def replay_selected(self, request: HttpRequest, row: WebhookEvent) -> str:
        """Process an event again."""
        if not replay(WebhookEvent.objects.filter(pk=row.pk)):
            raise NotDone("Events of this type are not processed.")
        return "It will be processed again."
