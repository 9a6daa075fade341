"""The page `/admin/users/user/`: list, add, change, deactivate, set a password, delete."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from backoffice.bulk_actions import for_each_row
from backoffice.user_deletion import request_deletion
from backoffice.users import audit_log, password, second_factor
from backoffice.users.filters import StateFilter
from backoffice.users.forms import UserAddForm, UserChangeForm
from backoffice.users.rules import actor, is_read_only, may_manage, staff
from errors import BillingError
from users.auth_client import AuthRefused, AuthUnavailable, auth_client
from users.mirror import apply_user
from users.models import User

READ_ONLY = (
    "auth-service could not be reached for more than ten minutes. Users can be viewed, but not "
    "changed."
)
_GRANTS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """Shows our copy of the users; every write goes to auth-service first."""

    form = UserChangeForm
    list_display = ("username", "email", "state", "is_staff", "is_superuser", "created_at")
    list_filter = (StateFilter, "is_staff", "is_superuser", "groups")
    search_fields = ("username", "email", "id")
    search_help_text = "Username, e-mail address or id"
    ordering = ("username",)
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = ("id", "state", "created_at", "last_login")
    actions = ("deactivate_selected", "delete_selected")
    list_per_page = 50
    show_full_result_count = False

    @admin.display(description="State")
    def state(self, user: User) -> str:
        """Show whether the user is active, deactivated or deleted."""
        return str(user.state.label)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Ask for a password when a user is added, show the rest afterwards."""
        if obj is None:
            account = ("username", "email", "password1", "password2", "submission")
            flags = ("is_active", "is_staff", "is_superuser")
            return ((None, {"fields": account}), ("Permissions", {"fields": flags}))
        return (
            (None, {"fields": ("username", "email", "known_version")}),
            ("Permissions", {"fields": ("is_active", *_GRANTS)}),
            ("About", {"fields": ("id", "state", "created_at", "last_login")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Allow superusers alone to grant permissions."""
        granted = () if staff(request).is_superuser else _GRANTS
        return (*self.readonly_fields, *granted)

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **options: Any
    ) -> Any:
        """Pass the acting member of staff to the form, for auth-service's audit log."""
        if obj is None:
            options["form"] = UserAddForm
        form = super().get_form(request, obj, change=change, **options)
        form.actor = actor(request)  # type: ignore[attr-defined]  # one of our two forms
        return form

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse while our copy of the users is out of date."""
        return super().has_add_permission(request) and may_manage(request, None)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse while our copy is out of date, without rights, and while a deletion is pending."""
        allowed = super().has_change_permission(request, obj) and may_manage(request, obj)
        return allowed and (obj is None or obj.deletion_requested_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse as for a change, and for one's own account.

        A pending deletion may be requested again: if its requester was demoted meanwhile,
        auth-service would refuse it forever.
        """
        allowed = super().has_delete_permission(request, obj) and may_manage(request, obj)
        return allowed and (obj is None or obj.id != staff(request).id)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Store what auth-service returned to the form."""
        if form.document is None:
            return
        apply_user(form.document)
        obj.refresh_from_db()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Describe what a deletion does; the row itself stays, so nothing is cascaded."""
        users = list(objs)
        kept = [str(user) for user in users if not self.has_delete_permission(request, user)]
        effects = [
            f"{user}: any subscription is cancelled at Stripe, the account is deleted in "
            "auth-service, and personal data is removed here."
            for user in users
        ]
        return effects, {"users": len(users)}, set(), kept

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete after the page's transaction has ended: Stripe is called outside of one."""
        transaction.on_commit(partial(self._delete, request, obj))

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: int
    ) -> HttpResponseRedirect:
        """Go back to the list, where a message shows the outcome."""
        return HttpResponseRedirect(reverse("admin:users_user_changelist"))

    @for_each_row(
        permission="delete",
        description="Delete selected users",
        warning="This ends what these users have at Stripe as well, and cannot be undone.",
        is_done=lambda user: user is None or user.anonymised_at is not None,
    )
    def delete_selected(self, request: HttpRequest, user: User) -> str:
        """Delete one of several users, after the same confirmation."""
        try:
            self._request_deletion(request, user)
        except (AuthRefused, AuthUnavailable):
            raise
        except BillingError as refusal:
            return f"The deletion is pending and continues by itself: {refusal.detail}"
        return "Deleted."

    @for_each_row(permission="change", description="Deactivate selected users")
    def deactivate_selected(self, request: HttpRequest, user: User) -> str:
        """End sessions and tokens of a user; subscriptions continue."""
        apply_user(auth_client().deactivate_user(user.id, actor=actor(request)))
        self.log_change(request, user, "Deactivated.")
        return "Deactivated."

    def _delete(self, request: HttpRequest, user: User) -> None:
        """Delete, and show the outcome."""
        try:
            self._request_deletion(request, user)
        except AuthRefused as refusal:
            self.message_user(
                request, f"The user “{user}” was not changed: {refusal.detail}", messages.ERROR
            )
        except BillingError as refusal:
            sentence = (
                f"The deletion of “{user}” is pending and continues by itself: {refusal.detail}"
            )
            self.message_user(request, sentence, messages.WARNING)
        else:
            self.message_user(request, f"The user “{user}” was deleted.", messages.SUCCESS)

    def _request_deletion(self, request: HttpRequest, user: User) -> None:
        """Delete, and log it unless it is refused; once, however often it is begun again."""
        was_pending = user.deletion_requested_at is not None
        try:
            request_deletion(user.id, actor=actor(request))
        finally:
            # Read again, so that the name of a user who is deleted already is not logged.
            rows = User.objects.filter(id=user.id).exclude(deletion_requested_at=None)
            if not was_pending:
                super().log_deletions(request, rows)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[LogEntry]:
        """Log nothing yet: Django asks before the deletion, which auth-service may refuse."""
        return []

    def get_urls(self) -> list[URLPattern]:
        """Add the pages Django does not have."""
        wrap = self.admin_site.admin_view
        return [
            path("audit/", wrap(partial(audit_log.show, self)), name="users_user_audit"),
            path(
                "audit/export/",
                wrap(partial(audit_log.export, self)),
                name="users_user_audit_export",
            ),
            path(
                "<uuid:user_id>/password/",
                wrap(partial(password.change, self)),
                name="users_user_password",
            ),
            path(
                "<uuid:user_id>/second-factor/",
                wrap(partial(second_factor.reset, self)),
                name="users_user_second_factor",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Explain why users cannot be changed, if they cannot."""
        if is_read_only(request):
            self.message_user(request, READ_ONLY, messages.WARNING)
        return super().changelist_view(request, extra_context)
