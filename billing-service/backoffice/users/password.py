"""The page that sets a user's password at auth-service."""

from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from backoffice.users.forms import PasswordForm
from backoffice.users.rules import actor, staff
from users.mirror import apply_user
from users.models import User


def change(
    model_admin: admin.ModelAdmin[User], request: HttpRequest, user_id: UUID
) -> HttpResponse:
    """Ask for the new password and set it.

    Raises:
        PermissionDenied: The actor may not change this user.
    """
    user = get_object_or_404(User, id=user_id)
    if not model_admin.has_change_permission(request, user):
        raise PermissionDenied
    form = PasswordForm(request.POST or None, user_id=user.id, actor=actor(request))
    if form.is_valid() and form.document is not None:
        changed = apply_user(form.document)
        if changed.id == staff(request).id:
            # The new epoch ends every session of the user but this one.
            update_session_auth_hash(request, changed)
        model_admin.log_change(request, changed, "Password set.")
        sentence = f"The password of “{changed}” was set; their sessions have ended."
        model_admin.message_user(request, sentence, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:users_user_change", args=[user_id]))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Set the password of {user}",
        "form": form,
        "original": user,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "backoffice/password.html", context)
