"""Who is calling: from an Authorization header to a verified user, and from which address.

What a request needs is read from memory: the snapshot of the keys and the map of revocations are
kept up to date by threads of their own.
"""

import time
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from identity import metrics
from identity.errors import CHALLENGE, InvalidAccessToken, NotAuthenticated
from identity.jwks_client import FetchedKeySet, fetch_key_set
from identity.key_disk import KeyDisk
from identity.key_fetcher import MAXIMUM_AGE_SECONDS, KeyFetcher
from identity.revocation import REVOCATIONS
from identity.verifier import VerifiedClaims, verify_access_token

_SCHEMES = ("jwt", "bearer")


@dataclass(frozen=True, slots=True)
class VerifiedUser:
    """The caller, as the verified access token describes them; no database row was read.

    Code that needs a foreign key to the user calls `users.mirror.mirror_user(user.id)` first.
    """

    id: UUID
    is_staff: bool
    is_superuser: bool

    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def pk(self) -> UUID:
        """The id, under the name Django's own code asks for."""
        return self.id


def authenticate(authorization: str | None) -> VerifiedUser:
    """Verify the caller's access token.

    Args:
        authorization: The header's value, `JWT <token>` or `Bearer <token>` in any case.

    Raises:
        NotAuthenticated: There is no header.
        InvalidAccessToken: The header holds no access token that is valid now.
        KeysUnavailable: The token cannot be checked right now.
    """
    if not authorization:
        raise NotAuthenticated
    try:
        claims = verify(_unverified_token(authorization))
    except InvalidAccessToken as refusal:
        metrics.REFUSED_TOKENS.labels(reason=refusal.reason).inc()
        raise
    return VerifiedUser(claims.user_id, claims.is_staff, claims.is_superuser)


def verify(unverified_token: str) -> VerifiedClaims:
    """Verify a token with this service's keys, names and revocations.

    Raises:
        InvalidAccessToken: It is not ours, not for this service, expired or revoked.
        KeysUnavailable: It cannot be checked right now.
    """
    claims = verify_access_token(
        unverified_token,
        key_of=_verification_key,
        issuer=settings.BILLING.token_issuer,
        audience=settings.BILLING.token_audience,
    )
    revoked = REVOCATIONS.by_user.get(claims.user_id)
    if revoked is not None and claims.auth_epoch < revoked.minimum_epoch:
        raise InvalidAccessToken("revoked")
    return claims


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


def client_ip(request: HttpRequest) -> str:
    """Return the caller's address as the gateway saw it.

    The gateway drops what clients send as X-Forwarded-For and appends the peer's address, so
    the last entry is the only one that a client cannot forge.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))


@cache
def key_fetcher() -> KeyFetcher:
    """Return this process's one source of auth-service's keys, its thread started."""
    url = f"{settings.BILLING.auth_internal_url}/.well-known/jwks.json"

    def fetch(etag: str | None) -> FetchedKeySet | None:
        return fetch_key_set(url, etag=etag)

    fetcher = KeyFetcher(
        fetch=fetch,
        disk=KeyDisk(settings.BILLING.jwks_cache_file),
        maximum_waiters=max(1, settings.BILLING.threads // 2),
    )
    fetcher.start()
    return fetcher


def _verification_key(kid: str) -> RSAPublicKey:
    snapshot = key_fetcher().snapshot
    key = snapshot.keys.get(kid)
    if key is not None and time.monotonic() - snapshot.confirmed_at < MAXIMUM_AGE_SECONDS:
        return key
    # Unknown or too old: auth-service is asked, once for all requests that wait.
    return key_fetcher().key(kid)


def _unverified_token(authorization: str) -> str:
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() not in _SCHEMES or not token:
        raise InvalidAccessToken("scheme")
    return token
