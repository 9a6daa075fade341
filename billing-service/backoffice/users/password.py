"""The pages that set a password at auth-service: a user's, and one's own."""

from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from backoffice.users.forms import OwnPasswordForm, PasswordForm
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
    if user.id == staff(request).id:
        # Otherwise a stolen session would be enough to keep the account.
        return HttpResponseRedirect(reverse("admin:password_change"))
    form = PasswordForm(request.POST or None, user_id=user.id, actor=actor(request))
    if form.is_valid() and form.document is not None:
        changed = apply_user(form.document)
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


def change_own(request: HttpRequest) -> HttpResponse:
    """Ask for the current password and the new one, and set it. No permission is needed."""
    user = staff(request)
    form = OwnPasswordForm(request.POST or None, user_id=user.id, actor=actor(request))
    if form.is_valid() and form.document is not None:
        changed = apply_user(form.document)
        # The new epoch ends every session of the user but this one.
        update_session_auth_hash(request, changed)
        admin.site.get_model_admin(User).log_change(request, changed, "Password changed.")
        sentence = "Your password was changed. Your other sessions have ended."
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse("admin:index"))
    context = {**admin.site.each_context(request), "title": "Change your password", "form": form}
    return TemplateResponse(request, "backoffice/password.html", context)
