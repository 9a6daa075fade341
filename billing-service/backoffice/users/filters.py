"""The filter of the list of users."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from users.models import User, UserState

_CONDITIONS = {
    UserState.ACTIVE: Q(is_active=True, deletion_requested_at=None, anonymised_at=None),
    UserState.INACTIVE: Q(is_active=False, deletion_requested_at=None, anonymised_at=None),
    UserState.DELETION_PENDING: Q(deletion_requested_at__isnull=False, anonymised_at=None),
    UserState.DELETED: Q(anonymised_at__isnull=False),
}


class StateFilter(admin.SimpleListFilter):
    """Filters by state; deleted users are shown only when chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.label) for state in UserState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        chosen = self.value()
        if chosen is None or chosen not in UserState.values:
            return queryset.filter(anonymised_at=None)
        return queryset.filter(_CONDITIONS[UserState(chosen)])
