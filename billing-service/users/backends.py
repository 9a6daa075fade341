"""Logs staff into the admin with their auth-service password."""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from identity.bearer import client_ip, verify
from users.auth_client import UserDocument, WrongCredentials, auth_client
from users.login_steps import EnrolmentRequired
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
            SecondFactorRequired: The next page asks for a code.
            EnrolmentRequired: The next page sets up the second factor that staff need.
        """
        if request is None or not username or not password:
            return None
        try:
            access_token = auth_client().obtain(
                username,
                password,
                client_ip=client_ip(request),
                user_agent=request.headers.get("User-Agent", ""),
            )
        except WrongCredentials:
            return None
        return staff_of(access_token)


def staff_of(access_token: str) -> User | None:
    """Return the member of staff who has just logged in, or None for anyone else.

    Raises:
        EnrolmentRequired: Staff need a second factor, and this one has none.
    """
    claims = verify(access_token)
    if not claims.is_staff:
        return None
    document = auth_client().read_user(claims.user_id)
    user = apply_user(document)
    if not (user.is_active and user.is_staff):
        return None
    if settings.BILLING.staff_second_factor_required and _has_no_second_factor(document):
        raise EnrolmentRequired(user.id, auth_epoch=user.auth_epoch)
    return user


def _has_no_second_factor(document: UserDocument) -> bool:
    # An auth-service of the last release does not say: then no one could enrol.
    return document.get("second_factor_at", "unknown") is None
