"""The page of comparisons with Stripe."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from backoffice.subscriptions.stripe_objects import ReadOnlyModelAdmin, stripe_link
from subscriptions.models import ReconcileRun

_MOST_SHOWN = 500
_TABLE = """<div class="wide-table"><table>
<thead><tr><th>What</th><th>Repaired</th><th>Customer</th><th>Object</th><th>Here</th>
<th>At Stripe</th></tr></thead><tbody>{}</tbody></table></div>"""
_ROW = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"


@admin.register(ReconcileRun)
class ReconcileRunAdmin(ReadOnlyModelAdmin[ReconcileRun]):
    """What the nightly job and `manage.py stripe_reconcile` found."""

    list_display = (
        "started_at",
        "finished_at",
        "customers_compared",
        "differences",
        "left",
        "fix",
        "nightly",
    )
    list_filter = ("fix", "nightly", "started_at")
    ordering = ("-started_at",)
    fields = (
        "started_at",
        "finished_at",
        "fix",
        "nightly",
        "customers_compared",
        "differences",
        "left",
        "found",
    )
    readonly_fields = ("differences", "left", "found")

    @admin.display(description="Differences")
    def differences(self, row: ReconcileRun) -> int:
        """Count the differences."""
        return len(row.drift)

    @admin.display(description="Found")
    def found(self, row: ReconcileRun) -> SafeString | str:
        """Show the differences, one a row."""
        if not row.drift:
            return "Nothing differs." if row.finished_at else "Nothing so far."
        lines = format_html_join(
            "",
            _ROW,
            (
                (
                    each["what"],
                    "yes" if each.get("repaired") else "no",
                    stripe_link("customers", each["stripe_customer_id"]),
                    "—" if each["object_id"] == each["stripe_customer_id"] else each["object_id"],
                    each["ours"] or "—",
                    each["stripes"] or "—",
                )
                for each in row.drift[:_MOST_SHOWN]
            ),
        )
        return format_html(_TABLE, lines)
