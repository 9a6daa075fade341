"""What routes depend on: the application's state, the client's IP address, and who is calling."""

from dataclasses import dataclass, field
from threading import Event
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader
from sqlalchemy import Engine

from auth_service.audit import Origin, Retention
from auth_service.clock import Clock
from auth_service.errors import InvalidToken, NotAuthenticated, UserNotFound
from auth_service.keys import KeyRing
from auth_service.passwords.hashing import HashingSlot
from auth_service.passwords.login_throttle import LoginThrottle
from auth_service.routes.refresh_cookie import RefreshCookie
from auth_service.second_factor.challenges import SecondFactor
from auth_service.tokens.jwt import Issuer, TokenType, VerifiedClaims
from auth_service.tokens.one_time import OneTimeTokens
from auth_service.tokens.refresh_families import RefreshFamilies
from auth_service.users.account_requests import SignUp
from auth_service.users.accounts import User, get_by_token
from auth_service.users.login import LogIn

_SCHEMES = {"jwt", "bearer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """Everything that routes use, put together once by `app.py`.

    Attributes:
        engine: The pool for transactions.
        autocommit: The pool for single statements.
        client_secret: Password of billing-service at the internal token endpoint.
        breach_lookup_url: Of the range API; empty if passwords are not looked up.
        refresh_cookie: For browsers that keep the refresh token in a cookie.
        audit_retention: How long housekeeping keeps events of the audit log.
        digest_secret: Key of the digests of idempotent requests.
        older_schema_revisions: The migrations of this release before its latest.
        schema_seen: Set once the schema was found to be this release's or a newer one.
    """

    engine: Engine
    autocommit: Engine
    keys: KeyRing
    issuer: Issuer
    families: RefreshFamilies
    refresh_cookie: RefreshCookie
    login: LogIn
    second_factor: SecondFactor
    slot: HashingSlot
    throttle: LoginThrottle
    clock: Clock
    client_secret: str
    breach_lookup_url: str
    digest_secret: bytes
    audit_retention: Retention
    public_url: str
    one_time: OneTimeTokens
    sign_up: SignUp
    has_mail: bool
    older_schema_revisions: frozenset[str]
    schema_seen: Event = field(default_factory=Event)


def app_state(request: Request) -> AppState:
    """Return the state of the application that serves this request."""
    state: AppState = request.app.state.auth
    return state


def client_ip(request: Request) -> str:
    """Return the client's address; the server has already applied a trusted X-Forwarded-For."""
    return request.client.host if request.client else "unknown"


def origin_of(request: Request, actor_id: UUID | None = None) -> Origin:
    """Return who sent this request of the public API, and from where."""
    user_agent = request.headers.get("user-agent", "")
    return Origin(actor_id=actor_id, client=client_ip(request), user_agent=user_agent)


_access_token = APIKeyHeader(
    name="Authorization",
    scheme_name="jwtAuth",
    description="`JWT <access>` or `Bearer <access>`.",
    auto_error=False,
)
_service_token = APIKeyHeader(
    name="Authorization",
    scheme_name="serviceAuth",
    description="`Bearer <access_token>`, with a token from `POST /internal/token`.",
    auto_error=False,
)


async def caller(
    request: Request, authorization: Annotated[str | None, Depends(_access_token)]
) -> User:
    """Return the user whose access token was sent.

    Raises:
        NotAuthenticated: No token was sent.
        InvalidToken: The token is invalid, expired or revoked, or its user is inactive.
    """
    state = app_state(request)
    claims = _verify(state, authorization, token_type=TokenType.ACCESS)
    request.state.session_id = claims.family_id
    request.state.audience = claims.claims["aud"]
    return await run_in_threadpool(active_user, state.autocommit, claims)


def active_user(autocommit: Engine, claims: VerifiedClaims) -> User:
    """Read the user of verified claims.

    Raises:
        InvalidToken: The account was deleted or is inactive, or its tokens were revoked.
    """
    try:
        with autocommit.connect() as connection:
            user = get_by_token(connection, claims.user_id, family_id=claims.family_id)
    except UserNotFound:
        raise InvalidToken from None
    if not user.is_active or user.auth_epoch != claims.auth_epoch:
        raise InvalidToken
    return user


async def internal_origin(
    request: Request,
    authorization: Annotated[str | None, Depends(_service_token)],
    x_actor_id: Annotated[
        UUID | None, Header(description="The staff user for whom the service acts.")
    ] = None,
    x_actor_source: Annotated[
        str, Header(max_length=64, description="The IP address of that user.")
    ] = "",
) -> Origin:
    """Verify a service token, and return for whom the service acts.

    Raises:
        NotAuthenticated: No token was sent.
        InvalidToken: It is not a valid service token.
    """
    claims = _verify(app_state(request), authorization, token_type=TokenType.SERVICE)
    return Origin(actor_id=x_actor_id, client=x_actor_source or claims.subject)


def _verify(state: AppState, authorization: str | None, *, token_type: TokenType) -> VerifiedClaims:
    scheme, _, unverified_token = (authorization or "").partition(" ")
    if scheme.lower() not in _SCHEMES:
        raise NotAuthenticated
    return state.issuer.verify(unverified_token, token_type=token_type, now=state.clock())


Caller = Annotated[User, Depends(caller)]
InternalOrigin = Annotated[Origin, Depends(internal_origin)]
