"""What the pages of Stripe's objects share: read-only rows, links, deleting at Stripe first."""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from backoffice.bulk_actions import for_each_row
from errors import BillingError

M = TypeVar("M", bound=Model)


def stripe_link(kind: str, stripe_id: str | None, *, text: str = "") -> SafeString | str:
    """Link to an object in Stripe's dashboard, or on the sandbox's page.

    Args:
        kind: The plural in the address, such as `customers`.
        stripe_id: Its id; without one there is nothing to link to.
        text: What to show instead of the id.
    """
    if not stripe_id:
        return "—"
    base = settings.BILLING.stripe_dashboard_url
    return format_html(
        '<a href="{}/{}/{}" target="_blank" rel="noopener noreferrer">{}</a>',
        base,
        kind,
        stripe_id,
        text or stripe_id,
    )


def timeline_link(user_id: Any) -> SafeString:
    """Link to everything that happened to a user."""
    return format_html('<a href="{}">timeline</a>', reverse("admin:timeline", args=[user_id]))


def links(kind: str, stripe_id: str | None, *, user_id: Any) -> SafeString:
    """Link to the object at Stripe and to its user's timeline, in one narrow column of a list."""
    at_stripe = stripe_link(kind, stripe_id, text="Stripe")
    return format_html('<span class="nowrap">{} · {}</span>', at_stripe, timeline_link(user_id))


class ReadOnlyModelAdmin(admin.ModelAdmin[M]):
    """Rows that only the service itself writes."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: only the service adds rows."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Use the plural as the title instead of "Select … to change"."""
        title = {"title": capfirst(str(self.opts.verbose_name_plural))}
        return super().changelist_view(request, title | (extra_context or {}))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Hide the save buttons."""
        looking = {
            "title": capfirst(str(self.opts.verbose_name)),
            "show_save": False,
            "show_save_and_continue": False,
        }
        context = looking | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, context)

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        """Show every column as read-only."""
        columns = [field.name for field in self.opts.concrete_fields]
        return [*columns, *self.readonly_fields]


class StripeObjectAdmin(ReadOnlyModelAdmin[M]):
    """Rows of Stripe's objects; deleting one ends it at Stripe as well."""

    actions: Sequence[str] = ("resync", "delete_selected")
    delete_confirmation_template = "backoffice/delete_at_stripe.html"
    # What a deletion does at Stripe, for the confirmation page.
    effect = ""

    def end_at_stripe(self, row: M) -> None:
        """Cancel, detach or delete at Stripe; safe to repeat."""
        raise NotImplementedError

    def fetch_again(self, row: M) -> None:
        """Bring our rows in line with Stripe."""
        raise NotImplementedError

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List what a deletion does at Stripe above what it does here."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        at_stripe = [f"At Stripe: {self.effect} ({row})" for row in objs]
        return [*at_stripe, *deleted], counts, lacking, protected

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        """Delete after the page's transaction has ended: Stripe is called outside of one."""
        transaction.on_commit(partial(self._delete, request, obj))

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Log nothing yet: Stripe may refuse."""

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: int
    ) -> HttpResponseRedirect:
        """Go back to the list, where a message shows the outcome."""
        return HttpResponseRedirect(reverse(self._list_name()))

    @for_each_row(
        permission="delete",
        description="Delete selected, at Stripe as well",
        warning="This also changes something at Stripe and cannot be undone: see “At Stripe”.",
        is_done=lambda row: row is None,
    )
    def delete_selected(self, request: HttpRequest, row: M) -> str:
        """Delete one of several rows, after the same confirmation."""
        return self._end_and_delete(request, row)

    @for_each_row(permission="change", description="Resync from Stripe")
    def resync(self, request: HttpRequest, row: M) -> str:
        """Bring a row in line with Stripe."""
        self.fetch_again(row)
        self.log_change(request, row, "was fetched from Stripe.")
        return "Fetched from Stripe."

    def _delete(self, request: HttpRequest, row: M) -> None:
        try:
            done = self._end_and_delete(request, row)
        except BillingError as refusal:
            self.message_user(request, f"{row} was not deleted: {refusal.detail}", messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)

    def _end_and_delete(self, request: HttpRequest, row: M) -> str:
        self.end_at_stripe(row)
        name = str(row)
        with transaction.atomic():
            super().log_deletions(request, self.get_queryset(request).filter(pk=row.pk))
            row.delete()
        return f"{name} was deleted; {self.effect}"

    def _list_name(self) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
