"""Who is calling: from an Authorization header to a verified user."""

from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.conf import settings

from identity import metrics
from identity.errors import InvalidAccessToken, NotAuthenticated
from identity.jwks_client import FetchedKeySet, fetch_key_set
from identity.key_disk import KeyDisk
from identity.key_fetcher import KeyFetcher
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
        keys=key_fetcher(),
        issuer=settings.BILLING.token_issuer,
        audience=settings.BILLING.token_audience,
    )
    if REVOCATIONS.revokes(claims.user_id, auth_epoch=claims.auth_epoch):
        raise InvalidAccessToken("revoked")
    return claims


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


def _unverified_token(authorization: str) -> str:
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() not in _SCHEMES or not token:
        raise InvalidAccessToken("scheme")
    return token
