"""Logs staff into the admin with their auth-service password."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from identity.bearer import client_ip, verify
from users.auth_client import WrongCredentials, auth_client
from users.mirror import apply_user
from users.models import User


class AuthServiceBackend(ModelBackend):
    """Asks auth-service whether the password is right; permissions and sessions stay Django's."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> User | None:
        """Return the member of staff, or None for anyone else.

        Raises:
            BillingError: auth-service cannot be reached or limits attempts; the login form says so.
        """
        if request is None or not username or not password:
            return None
        try:
            access_token = auth_client().obtain(username, password, client_ip=client_ip(request))
        except WrongCredentials:
            return None
        claims = verify(access_token)
        if not claims.is_staff:
            return None
        user = apply_user(auth_client().read_user(claims.user_id))
        return user if user.is_active and user.is_staff else None
