"""The pages of bulk actions: which there were, and what became of each row."""

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from backoffice.bulk_actions import stop
from backoffice.models import BulkAction, BulkActionItem
from backoffice.subscriptions.stripe_objects import ReadOnlyModelAdmin

_MOST_SHOWN = 500
_REFRESH_SECONDS = 2
State = BulkActionItem.State


@admin.register(BulkAction)
class BulkActionAdmin(ReadOnlyModelAdmin[BulkAction]):
    """Staff see the actions that they started; with the permission to view, those of all staff."""

    list_display = ("description", "started_by", "started_at", "finished_at", "done", "failed")
    list_filter = ("started_at",)
    list_select_related = ("started_by",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkAction]:
        """Count the rows, and leave out what others started."""
        rows = (
            super()
            .get_queryset(request)
            .annotate(
                done=Count("items", filter=Q(items__state=State.DONE)),
                failed=Count("items", filter=Q(items__state=State.FAILED)),
            )
        )
        if super().has_view_permission(request):
            return rows
        return rows.filter(started_by_id=request.user.pk)

    def has_view_permission(self, request: HttpRequest, obj: BulkAction | None = None) -> bool:
        """Accept those who started it as well."""
        if super().has_view_permission(request, obj):
            return True
        own = BulkAction.objects.filter(started_by_id=request.user.pk)
        return own.exists() if obj is None else obj.started_by_id == request.user.pk

    def has_delete_permission(self, request: HttpRequest, obj: BulkAction | None = None) -> bool:
        """Refuse: the worker deletes old ones."""
        return False

    @admin.display(description="Done")
    def done(self, row: Any) -> int:
        """Show how many rows are done."""
        return int(row.done)

    @admin.display(description="Failed")
    def failed(self, row: Any) -> int:
        """Show how many rows failed."""
        return int(row.failed)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show how far it is; the page loads itself again until it has finished."""
        action = self.get_object(request, object_id or "")
        if action is None:
            return HttpResponseRedirect(reverse("admin:index"))
        may_stop = action.started_by_id == request.user.pk or self.has_change_permission(request)
        if request.method == "POST" and may_stop:
            stop(action)
            self.log_change(request, action, "Stopped.")
            messages.success(request, "Stopped. The rows that waited stay as they are.")
            return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            **_progress(action),
            "title": action.description,
            "original": action,
            "opts": self.opts,
            "may_stop": may_stop,
            "refresh_seconds": _REFRESH_SECONDS,
        }
        return TemplateResponse(request, "backoffice/bulk_action.html", context)


def _progress(action: BulkAction) -> dict[str, Any]:
    counts = dict(action.items.values_list("state").annotate(Count("id")))
    past = action.items.exclude(state=State.WAITING)
    # What failed is what staff have to look at.
    items = [
        *past.filter(state=State.FAILED).order_by("id")[:_MOST_SHOWN],
        *past.exclude(state=State.FAILED).order_by("-id")[:_MOST_SHOWN],
    ]
    model_admin = admin.site.get_model_admin(apps.get_model(action.model))
    found = model_admin.model.objects.in_bulk([item.object_id for item in items])
    rows = {str(pk): row for pk, row in found.items()}
    opts = model_admin.opts
    pages = f"admin:{opts.app_label}_{opts.model_name}"
    return {
        "total": sum(counts.values()),
        "past": sum(counts.values()) - counts.get(State.WAITING, 0),
        "counts": [(state.value, counts.get(state.value, 0)) for state in State],
        "items": [
            {
                "name": str(rows.get(item.object_id, item.object_id)),
                "address": reverse(f"{pages}_change", args=[item.object_id])
                if item.object_id in rows
                else "",
                "state": item.state,
                "sentence": item.sentence,
            }
            for item in items
        ],
        "list": reverse(f"{pages}_changelist"),
        "rows_name": opts.verbose_name_plural,
    }
