"""Who may do what to whom in the user admin."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from identity.bearer import client_ip
from users.auth_client import Actor
from users.feed import feed_is_stale
from users.models import User

_CACHED_ON_REQUEST = "_users_admin_is_read_only"


def staff(request: HttpRequest) -> User:
    """Return the member of staff who sent an admin request."""
    if isinstance(request.user, AnonymousUser):
        raise TypeError("the admin let an anonymous user through")
    return request.user


def actor(request: HttpRequest) -> Actor:
    """Describe the member of staff for auth-service's audit log."""
    return Actor(staff(request).id, client_ip(request))


def is_read_only(request: HttpRequest) -> bool:
    """Return whether users must not be edited, because our copy is out of date.

    Called many times for one page, so the result is kept on the request.
    """
    if not hasattr(request, _CACHED_ON_REQUEST):
        setattr(request, _CACHED_ON_REQUEST, feed_is_stale())
    return bool(getattr(request, _CACHED_ON_REQUEST))


def may_manage(request: HttpRequest, user: User | None) -> bool:
    """Return whether this member of staff may write to that user, permissions aside.

    Only superusers manage staff: otherwise, permission to change users would be permission to
    become a superuser by setting a superuser's password.
    """
    if is_read_only(request):
        return False
    if user is None:
        return True
    if user.anonymised_at is not None:
        return False
    acting = staff(request)
    return acting.is_superuser or acting.id == user.id or not (user.is_staff or user.is_superuser)
