"""The page of comparisons with Stripe."""

from django.contrib import admin

from subscriptions.admin.mirrored import LookOnly
from subscriptions.models import ReconcileRun


@admin.register(ReconcileRun)
class ReconcileRunAdmin(LookOnly[ReconcileRun]):
    """What the nightly job and `manage.py stripe_reconcile` found."""

    list_display = ("started_at", "finished_at", "customers_compared", "differences", "fix")
    list_filter = ("fix", "started_at")
    ordering = ("-started_at",)
    readonly_fields = ("differences",)

    @admin.display(description="Differences")
    def differences(self, row: ReconcileRun) -> int:
        """Count what did not agree."""
        return len(row.drift)
