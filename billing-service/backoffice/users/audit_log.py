"""auth-service's audit log, for superusers: read with filters, and exported."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from backoffice.users.audit_export import csv_lines, json_lines
from backoffice.users.audit_rows import ACTIONS, Row, rows_of
from backoffice.users.rules import actor, staff
from errors import BillingError
from users.auth_client import Actor, auth_client
from users.models import User

PAGE_SIZE = 100
_EXPORT_PAGE_SIZE = 500
_MOMENT_FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")
_FORMATS: dict[str, tuple[Callable[[Iterable[Row]], Iterator[str]], str]] = {
    "csv": (csv_lines, "text/csv; charset=utf-8"),
    "jsonl": (json_lines, "application/jsonl; charset=utf-8"),
}


class _Person(forms.CharField):
    """A username, an e-mail address or an id; becomes the id."""

    def __init__(self, label: str) -> None:
        super().__init__(label=label, required=False, max_length=254, empty_value="")

    def clean(self, value: Any) -> str:
        """Look a name up here; an id may be one that this service has never seen."""
        given = super().clean(value)
        if not given:
            return ""
        try:
            return str(UUID(given))
        except ValueError:
            pass
        ids = User.objects.filter(Q(username__iexact=given) | Q(email__iexact=given))
        found = list(ids.values_list("id", flat=True)[:2])
        if len(found) > 1:
            raise forms.ValidationError("Several users have this name or address. Enter an id.")
        if not found:
            raise forms.ValidationError("No user has this name, e-mail address or id.")
        return str(found[0])


class _Moment(forms.DateTimeField):
    """A time in UTC; browsers offer a calendar for it."""

    def __init__(self, label: str) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(label=label, required=False, widget=widget, input_formats=_MOMENT_FORMATS)


class FilterForm(forms.Form):
    """Which events: those that match everything that is filled in."""

    user_id = _Person("Whose account")
    actor_id = _Person("Done by")
    action = forms.ChoiceField(
        label="What", required=False, choices=[("", "Everything"), *((a, a) for a in ACTIONS)]
    )
    source = forms.CharField(label="From address", required=False, max_length=64)
    since = _Moment("Since (UTC)")
    until = _Moment("Before (UTC)")

    def filters(self) -> dict[str, str]:
        """Return the filters of a valid form as auth-service takes them."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else str(value)
            for name, value in self.cleaned_data.items()
            if value
        }


def show(model_admin: admin.ModelAdmin[User], request: HttpRequest) -> HttpResponse:
    """List events, newest first.

    Raises:
        PermissionDenied: The actor is no superuser.
    """
    _require_superuser(request)
    form = FilterForm(request.GET)
    page: dict[str, Any] = {"results": [], "next_before": None}
    if form.is_valid():
        try:
            page = auth_client().audit_log(
                filters=form.filters(),
                before=request.GET.get("before", ""),
                limit=PAGE_SIZE,
                actor=actor(request),
            )
        except BillingError as refusal:
            model_admin.message_user(request, refusal.detail, messages.ERROR)
    older = request.GET.copy()
    older["before"] = page["next_before"] or ""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Audit log of auth-service",
        "rows": rows_of(page["results"]),
        "older": older.urlencode() if page["next_before"] else "",
        "form": form,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "backoffice/audit_log.html", context)


def export(model_admin: admin.ModelAdmin[User], request: HttpRequest) -> HttpResponseBase:
    """Send the events that match the filters as a file, page by page; record that first.

    If auth-service fails on the way, the download is interrupted and not merely short.

    Raises:
        PermissionDenied: The actor is no superuser, or the form was not sent by POST.
    """
    _require_superuser(request)
    form, kind = FilterForm(request.POST), request.POST.get("format", "")
    if request.method != "POST" or kind not in _FORMATS or not form.is_valid():
        return HttpResponseRedirect(reverse("admin:users_user_audit"))
    acting, filters = actor(request), form.filters()
    pages = _pages(filters, acting)
    try:
        auth_client().record_audit_export(kind=kind, filters=filters, actor=acting)
        first = next(pages)
    except BillingError as refusal:
        model_admin.message_user(request, refusal.detail, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:users_user_audit"))
    write, content_type = _FORMATS[kind]
    response = StreamingHttpResponse(write(_rows(first, pages)), content_type=content_type)
    name = f"audit-log-{timezone.now():%Y-%m-%dT%H%M}Z.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _require_superuser(request: HttpRequest) -> None:
    if not staff(request).is_superuser:
        raise PermissionDenied


def _pages(filters: dict[str, str], acting: Actor) -> Iterator[list[dict[str, Any]]]:
    before = ""
    while True:
        page = auth_client().audit_log(
            filters=filters, before=before, limit=_EXPORT_PAGE_SIZE, actor=acting
        )
        yield page["results"]
        if page["next_before"] is None:
            return
        before = str(page["next_before"])


def _rows(first: list[dict[str, Any]], others: Iterator[list[dict[str, Any]]]) -> Iterator[Row]:
    yield from rows_of(first)
    for events in others:
        yield from rows_of(events)
