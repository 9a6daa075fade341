"""auth-service's audit log, for superusers."""

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backoffice.users.rules import actor, staff
from errors import BillingError
from users.auth_client import auth_client
from users.models import User

PAGE_SIZE = 100


def show(model_admin: admin.ModelAdmin[User], request: HttpRequest) -> HttpResponse:
    """List changes to accounts with their authors, newest first.

    Raises:
        PermissionDenied: The actor is no superuser.
    """
    if not staff(request).is_superuser:
        raise PermissionDenied
    user_id = request.GET.get("user_id", "")
    try:
        page = auth_client().audit_log(
            user_id=user_id,
            before=request.GET.get("before", ""),
            limit=PAGE_SIZE,
            actor=actor(request),
        )
    except BillingError as refusal:
        model_admin.message_user(request, refusal.detail, messages.ERROR)
        page = {"results": [], "next_before": None}
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Audit log of auth-service",
        "entries": _with_names(page["results"]),
        "next_before": page["next_before"],
        "user_id": user_id,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "backoffice/audit_log.html", context)


def _with_names(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    mentioned = (entry[field] for entry in entries for field in ("actor_id", "user_id"))
    ids = {user_id for user_id in mentioned if user_id}
    names = {str(user.id): user.username for user in User.objects.filter(id__in=ids)}
    return [
        entry
        | {
            "actor": names.get(entry["actor_id"] or "", entry["actor_id"]),
            "user": names.get(entry["user_id"] or "", entry["user_id"]),
            "detail": json.dumps(entry["detail"]) if entry["detail"] else "",
        }
        for entry in entries
    ]
