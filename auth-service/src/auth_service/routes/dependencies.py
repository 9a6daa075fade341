"""The rooms of the service as routes reach them, and who is asking."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader
from sqlalchemy import Engine

from auth_service.audit import Origin
from auth_service.clock import Clock
from auth_service.errors import InvalidToken, NotAuthenticated, UserNotFound
from auth_service.keys import KeyRing
from auth_service.passwords.hashing import HashingSlot
from auth_service.passwords.login_throttle import LoginThrottle
from auth_service.tokens.jwt import Issuer, TokenType, VerifiedClaims
from auth_service.tokens.refresh_families import RefreshFamilies
from auth_service.users.accounts import User, get
from auth_service.users.login import LogIn

_SCHEMES = {"jwt", "bearer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the routes call, put together by the application.

    Attributes:
        client_secret: What billing-service shows at the internal token endpoint.
        digest_secret: Keys the digests of idempotent requests.
    """

    engine: Engine
    statements: Engine
    keys: KeyRing
    issuer: Issuer
    families: RefreshFamilies
    login: LogIn
    slot: HashingSlot
    throttle: LoginThrottle
    clock: Clock
    client_secret: str
    digest_secret: bytes
    public_url: str
    schema_revision: str | None


def parts_of(request: Request) -> Parts:
    """Find the rooms of the application that serves this request."""
    parts: Parts = request.app.state.parts
    return parts


def source_of(request: Request) -> str:
    """Say where a request comes from; the server has resolved trusted X-Forwarded-For already."""
    return request.client.host if request.client else "unknown"


_access_token = APIKeyHeader(
    name="Authorization",
    scheme_name="jwtAuth",
    description="`JWT <access>` or `Bearer <access>`.",
    auto_error=False,
)
_service_token = APIKeyHeader(
    name="Authorization",
    scheme_name="serviceAuth",
    description="`Bearer <service token>` of `/internal/token`.",
    auto_error=False,
)


async def caller(
    request: Request, authorization: Annotated[str | None, Depends(_access_token)]
) -> User:
    """Find out who sends an access token.

    Raises:
        NotAuthenticated: There is no token.
        InvalidToken: It is not good, or the account or the epoch is over.
    """
    parts = parts_of(request)
    claims = _verify(parts, authorization, token_type=TokenType.ACCESS)
    return await run_in_threadpool(live_user, parts.statements, claims)


def live_user(statements: Engine, claims: VerifiedClaims) -> User:
    """Read the user of verified claims.

    Raises:
        InvalidToken: The account is gone or inactive, or its epoch moved on.
    """
    try:
        with statements.connect() as connection:
            user = get(connection, claims.user_id)
    except UserNotFound:
        raise InvalidToken from None
    if not user.is_active or user.auth_epoch != claims.auth_epoch:
        raise InvalidToken
    return user


async def internal_origin(
    request: Request,
    authorization: Annotated[str | None, Depends(_service_token)],
    x_actor_id: Annotated[UUID | None, Header(description="The acting staff user.")] = None,
    x_actor_source: Annotated[
        str, Header(max_length=64, description="The acting user's address.")
    ] = "",
) -> Origin:
    """Admit a service and note for whom it acts.

    Raises:
        NotAuthenticated: There is no token.
        InvalidToken: It is no good service token.
    """
    claims = _verify(parts_of(request), authorization, token_type=TokenType.SERVICE)
    return Origin(actor_id=x_actor_id, source=x_actor_source or claims.subject)


def _verify(parts: Parts, authorization: str | None, *, token_type: TokenType) -> VerifiedClaims:
    if not authorization:
        raise NotAuthenticated
    scheme, _, unverified_token = authorization.partition(" ")
    if scheme.lower() not in _SCHEMES:
        raise NotAuthenticated
    return parts.issuer.verify(unverified_token, token_type=token_type, now=parts.clock())


Caller = Annotated[User, Depends(caller)]
InternalOrigin = Annotated[Origin, Depends(internal_origin)]
