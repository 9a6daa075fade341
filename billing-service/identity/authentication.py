"""Authentication of the REST framework with our access tokens."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from identity.bearer import VerifiedUser, authenticate
from identity.errors import CHALLENGE


class AccessTokenAuthentication(BaseAuthentication):
    """Accepts `Authorization: JWT <token>` and `Bearer <token>`; refusals are ours, not DRF's."""

    def authenticate(self, request: Request) -> tuple[VerifiedUser, None] | None:
        """Verify the token; a request without one is left to the view's permissions.

        Raises:
            InvalidAccessToken: The token is not valid now.
            KeysUnavailable: The token cannot be checked right now.
        """
        authorization = request.META.get("HTTP_AUTHORIZATION")
        return (authenticate(authorization), None) if authorization else None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for requests without a token."""
        return CHALLENGE
