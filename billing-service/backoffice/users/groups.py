"""Groups of permissions, which belong to this service alone."""

from django.contrib import admin
from django.contrib.auth.models import Group


class GroupAdmin(admin.ModelAdmin[Group]):
    """Django's groups, editable by superusers."""

    search_fields = ("name",)
    filter_horizontal = ("permissions",)


admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
