"""`/api/token/…`: obtain, refresh, verify, revoke."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from auth_service.audit import Origin
from auth_service.errors import (
    BodyTooLarge,
    CrossSiteRequest,
    InvalidAudience,
    InvalidCredentials,
    InvalidToken,
    MalformedBody,
    Overloaded,
    SecondFactorRequired,
    TooManyAttempts,
    Unavailable,
    ValidationFailed,
)
from auth_service.passwords.login_throttle import network_of
from auth_service.routes.dependencies import AppState, active_user, app_state, client_ip, origin_of
from auth_service.routes.forms import TOKEN_AS_FORM_OR_JSON, has_field, read_field
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import SETS_COOKIE, errors
from auth_service.schemas import (
    AccessToken,
    Credentials,
    RefreshIn,
    RefreshRequest,
    TokenPair,
    TokenRequest,
)
from auth_service.tokens.jwt import RefreshGrant, Subject, TokenType, VerifiedClaims
from auth_service.users import notices
from auth_service.users.accounts import User

router = APIRouter(prefix="/api/token", tags=["token"], route_class=StrictRoute)

_CLAIMS_EXAMPLE = {
    "token_type": "access",
    "exp": 1791036300,
    "iat": 1791036000,
    "jti": "c4642a47-1f54-46da-bc1a-68d43a4930f8",
    "id": "ac9bc8a5-d206-4890-9275-d1986db56935",
    "sub": "ac9bc8a5-d206-4890-9275-d1986db56935",
    "iss": "http://localhost:8000",
    "aud": ["auth-service", "billing-service"],
    "app_name": "Stripe Assignment",
    "auth_epoch": 1,
    "sid": "6d1c9e8e-3a52-4b0c-9d4e-0f3b1c2a7e55",
}
_BODY_ERRORS = (MalformedBody, ValidationFailed, BodyTooLarge)
_PUBLIC: dict[str, Any] = {"security": []}


@router.post(
    "/obtain",
    operation_id="obtainToken",
    summary="Log in with a username and password",
    response_description="Both tokens.",
    response_model=TokenPair | AccessToken,
    responses=SETS_COOKIE
    | errors(
        *_BODY_ERRORS,
        InvalidAudience,
        InvalidCredentials,
        SecondFactorRequired,
        CrossSiteRequest,
        TooManyAttempts,
        Overloaded,
        Unavailable,
    ),
    openapi_extra=_PUBLIC,
)
async def obtain(body: Credentials, request: Request) -> Response:
    """Returns an access token, which other requests send in their Authorization header, and a
    refresh token, which `POST /api/token/refresh` exchanges for the next pair.

    A page in a browser sends `"refresh_in": "cookie"`. Then the refresh token is in a cookie that
    no script can read, and the body has the access token alone. With `none` there is no refresh
    token, and the session ends with the access token.

    With `audience` the tokens are for some services alone, so that none of these can use them at
    another one.

    An account with a second factor gets 401 `second_factor_required` and a challenge, which
    `POST /api/token/second-factor` exchanges for the tokens. After too many failed log-ins the
    response is 429, whatever the password is.
    """
    state, ip = app_state(request), client_ip(request)
    audience = body.audience
    if audience is not None and not set(audience) <= set(state.issuer.audiences):
        raise InvalidAudience
    if body.refresh_in == "cookie":
        state.refresh_cookie.check_origin(request)
    user = await state.login.authenticate(
        body.username,
        body.password,
        client_ip=ip,
        user_agent=request.headers.get("user-agent", ""),
    )
    if user.second_factor_at is not None:
        options = {"refresh_in": body.refresh_in, "audience": audience}
        raise await asyncio.to_thread(state.second_factor.challenge, user, options=options)
    origin = origin_of(request, user.id)
    return await asyncio.to_thread(
        log_in,
        state,
        user,
        username=body.username,
        origin=origin,
        refresh_in=body.refresh_in,
        audience=audience,
    )


@router.post(
    "/refresh",
    operation_id="refreshToken",
    summary="Exchange a refresh token for new tokens",
    response_description="The new tokens.",
    response_model=TokenPair | AccessToken,
    responses=SETS_COOKIE
    | errors(*_BODY_ERRORS, InvalidAudience, InvalidToken, CrossSiteRequest, Unavailable),
    openapi_extra=_PUBLIC,
)
def refresh(request: Request, body: RefreshRequest | None = None) -> Response:
    """Each refresh token can be used once. Replace it with the one in the response.

    If the response was lost, send the same refresh token again within ten seconds. Later than
    that it counts as stolen, and all tokens of the session are revoked.

    With `audience` this access token is for some of the session's services. The next refresh can
    name others of them again, but none that the session was not granted.

    Without `refresh` in the body it is read from the cookie, and the next one is set there.
    """
    state = app_state(request)
    now = state.clock()
    unverified_token = body.refresh if body else ""
    refresh_in: RefreshIn = "body"
    if not unverified_token and state.refresh_cookie.is_sent(request):
        unverified_token, refresh_in = state.refresh_cookie.read(request), "cookie"
    if not unverified_token:
        raise ValidationFailed({"refresh": ["Field required"]}) if body else MalformedBody
    presented = state.issuer.verify(unverified_token, token_type=TokenType.REFRESH, now=now)
    asked = body.audience if body else None
    rotated = state.families.rotate(
        presented,
        origin=origin_of(request, presented.user_id),
        audience=asked or (),
        now=now,
    )
    return token_pair(state, rotated.subject, rotated.grant, refresh_in=refresh_in, audience=asked)


@router.post(
    "/verify",
    operation_id="verifyToken",
    summary="Check a token and get its claims",
    responses={
        200: {
            "description": "The token is valid. These are its claims.",
            "content": {"application/json": {"example": _CLAIMS_EXAMPLE}},
        },
        **errors(*_BODY_ERRORS, InvalidToken, Unavailable),
    },
    openapi_extra=_PUBLIC,
)
def verify(body: TokenRequest, request: Request) -> dict[str, Any]:
    """Takes an access token or a refresh token. Check yourself that `aud` names your service.

    Unlike a check of the signature alone, this notices at once that a user was deactivated or a
    token was revoked.
    """
    state = app_state(request)
    claims = _verify_either(state, body.token)
    active_user(state.autocommit, claims)
    is_refresh = claims.token_type is TokenType.REFRESH
    if is_refresh and not state.families.is_live(claims, now=state.clock()):
        raise InvalidToken
    return dict(claims.claims)


@router.post(
    "/revoke",
    operation_id="revokeToken",
    summary="Log out of one session",
    openapi_extra={**TOKEN_AS_FORM_OR_JSON, **_PUBLIC},
    responses={
        200: {
            "description": "The refresh token cannot be used any more.",
            "content": {"application/json": {"schema": {"type": "object"}, "example": {}}},
        },
        **errors(MalformedBody, ValidationFailed, BodyTooLarge, CrossSiteRequest, Unavailable),
    },
)
async def revoke(request: Request) -> Response:
    """Revokes a refresh token and all that follow from it (RFC 7009).

    The response is 200 for an unknown, expired or revoked token too. Services that verify access
    tokens by their signature alone accept those of the session until they expire;
    `POST /api/token/revoke-all` ends them as well.

    Without `token` in the body, the refresh token is read from the cookie, which is deleted.
    """
    cookie, response = app_state(request).refresh_cookie, JSONResponse({})
    if cookie.is_sent(request) and not await has_field(request, "token"):
        unverified_token = cookie.read(request)
        cookie.clear(response)
    else:
        unverified_token = await read_field(request, "token")
    await asyncio.to_thread(_revoke, request, unverified_token)
    return response


def token_pair(
    state: AppState,
    subject: Subject,
    grant: RefreshGrant,
    *,
    refresh_in: RefreshIn = "body",
    audience: Sequence[str] | None = None,
) -> Response:
    """Sign the tokens: `{"refresh", "access"}`, or `{"access"}` with or without a cookie.

    Args:
        audience: Of this access token; None for all that the session was granted.
    """
    now = state.clock()
    access_token = state.issuer.issue_access(
        subject,
        family_id=grant.family_id,
        audience=grant.audience if audience is None else audience,
        now=now,
    )
    if refresh_in == "none":
        return JSONResponse({"access": access_token})
    refresh_token = state.issuer.issue_refresh(grant, now=now)
    if refresh_in == "body":
        pair = {"refresh": refresh_token, "access": access_token}
        return Response(json.dumps(pair), media_type="application/json")
    response = JSONResponse({"access": access_token})
    max_age = grant.expires_at - int(now.timestamp())
    state.refresh_cookie.set(response, refresh_token, max_age=max_age)
    return response


def log_in(
    state: AppState,
    user: User,
    *,
    username: str,
    origin: Origin,
    method: str = "password",
    refresh_in: RefreshIn = "body",
    audience: Sequence[str] | None = None,
) -> Response:
    """Start a family for a user who has proved every factor, and return its tokens."""
    now, is_short = state.clock(), refresh_in == "none"
    attempt = state.throttle.attempt(username, client_ip=origin.client)
    # Two single statements instead of a transaction: two round trips instead of six. If the
    # second fails, a family without a client is left, which does no harm and expires.
    with state.autocommit.connect() as connection:
        grant = state.families.start(
            connection,
            user.subject,
            origin=origin,
            method=method,
            audience=audience,
            lifetime_seconds=state.issuer.access_lifetime_seconds if is_short else None,
            now=now,
        )
        is_known = state.throttle.record_success(connection, attempt, now=now)
        # The first log-in of an account is its user's own.
        if not is_known and user.last_login_at:
            network = network_of(origin.client)
            notices.send(connection, user, notices.UNKNOWN_NETWORK, now=now, network=network)
    return token_pair(state, user.subject, grant, refresh_in=refresh_in)


def _verify_either(state: AppState, unverified_token: str) -> VerifiedClaims:
    now = state.clock()
    try:
        return state.issuer.verify(
            unverified_token, token_type=TokenType.ACCESS, for_any_service=True, now=now
        )
    except InvalidToken:
        return state.issuer.verify(unverified_token, token_type=TokenType.REFRESH, now=now)


def _revoke(request: Request, unverified_token: str) -> None:
    state = app_state(request)
    now = state.clock()
    try:
        presented = state.issuer.verify(unverified_token, token_type=TokenType.REFRESH, now=now)
    except InvalidToken:
        return
    state.families.revoke(presented, origin=origin_of(request, presented.user_id), now=now)
