"""Groups of permissions, which belong to this service alone."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from backoffice.users.rules import staff


class GroupAdmin(admin.ModelAdmin[Group]):
    """Django's groups. Staff with the permission may view them.

    Only superusers change them: otherwise, permission to change groups would be every permission,
    given to one's own group.
    """

    search_fields = ("name",)
    filter_horizontal = ("permissions",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Accept superusers alone."""
        return staff(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Accept superusers alone."""
        return staff(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Accept superusers alone."""
        return staff(request).is_superuser


admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
