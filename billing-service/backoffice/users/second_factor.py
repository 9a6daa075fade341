"""The page that resets the second factor of a user who has lost it."""

from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from backoffice.users.rules import actor, staff
from errors import BillingError
from users.auth_client import auth_client
from users.mirror import apply_user
from users.models import User


def reset(model_admin: admin.ModelAdmin[User], request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Ask for a confirmation and reset it.

    Raises:
        PermissionDenied: The actor is no superuser or may not change this user.
    """
    user = get_object_or_404(User, id=user_id)
    allowed = staff(request).is_superuser and model_admin.has_change_permission(request, user)
    if not allowed:
        raise PermissionDenied
    if request.method == "POST":
        _reset(model_admin, request, user)
        return HttpResponseRedirect(reverse("admin:users_user_change", args=[user_id]))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Reset the second factor of {user}",
        "original": user,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "backoffice/reset_second_factor.html", context)


def _reset(model_admin: admin.ModelAdmin[User], request: HttpRequest, user: User) -> None:
    try:
        changed = apply_user(auth_client().reset_second_factor(user.id, actor=actor(request)))
    except BillingError as refusal:
        model_admin.message_user(request, refusal.detail, messages.ERROR)
        return
    model_admin.log_change(request, changed, "Second factor reset.")
    sentence = f"The second factor of “{changed}” was reset; their sessions have ended."
    model_admin.message_user(request, sentence, messages.SUCCESS)
