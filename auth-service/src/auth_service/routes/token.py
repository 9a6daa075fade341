"""`/api/token/…`: obtain, refresh, verify, revoke."""

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from auth_service.audit import Origin
from auth_service.errors import (
    BodyTooLarge,
    InvalidCredentials,
    InvalidToken,
    MalformedBody,
    Overloaded,
    TooManyAttempts,
    Unavailable,
    ValidationFailed,
)
from auth_service.routes.dependencies import Parts, live_user, parts_of, source_of
from auth_service.routes.forms import FORM_AND_JSON, read_member
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import refusals
from auth_service.schemas import Credentials, RefreshRequest, TokenPair, TokenRequest
from auth_service.tokens.jwt import RefreshGrant, Subject, TokenType, VerifiedClaims
from auth_service.users.accounts import User

router = APIRouter(prefix="/api/token", tags=["token"], route_class=StrictRoute)

# RFC 6749 §5.1: tokens must not stay in a cache.
NO_STORE = {"Cache-Control": "no-store"}
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
}
_BODY_REFUSALS = (MalformedBody, ValidationFailed, BodyTooLarge)


@router.post(
    "/obtain",
    response_model=TokenPair,
    responses=refusals(
        *_BODY_REFUSALS, InvalidCredentials, TooManyAttempts, Overloaded, Unavailable
    ),
)
async def obtain(body: Credentials, request: Request) -> Response:
    """Exchange a username and a password for both tokens."""
    parts, source = parts_of(request), source_of(request)
    user = await parts.login.authenticate(body.username, body.password, source=source)
    return await asyncio.to_thread(log_in, parts, user, username=body.username, source=source)


@router.post(
    "/refresh",
    response_model=TokenPair,
    responses=refusals(*_BODY_REFUSALS, InvalidToken, Unavailable),
)
def refresh(body: RefreshRequest, request: Request) -> Response:
    """Exchange a refresh token for the next one and a new access token.

    Each refresh token works once. Used again within ten seconds it gets the same successor, for
    clients that lost the answer; later it ends the whole family.
    """
    parts = parts_of(request)
    now = parts.clock()
    presented = parts.issuer.verify(body.refresh, token_type=TokenType.REFRESH, now=now)
    origin = Origin(actor_id=presented.user_id, source=source_of(request))
    rotated = parts.families.rotate(presented, origin=origin, now=now)
    return token_pair(parts, rotated.subject, rotated.grant)


@router.post(
    "/verify",
    responses={
        200: {
            "description": "The token is good; these are its claims.",
            "content": {"application/json": {"example": _CLAIMS_EXAMPLE}},
        },
        **refusals(*_BODY_REFUSALS, InvalidToken, Unavailable),
    },
)
def verify(body: TokenRequest, request: Request) -> dict[str, Any]:
    """Answer with the claims of a token that is good at this moment, access or refresh.

    Other than a check by signature alone this notices at once that a user was deactivated or a
    family revoked.
    """
    parts = parts_of(request)
    claims = _verify_either(parts, body.token)
    live_user(parts.statements, claims)
    is_refresh = claims.token_type is TokenType.REFRESH
    if is_refresh and not parts.families.is_live(claims, now=parts.clock()):
        raise InvalidToken
    return dict(claims.claims)


@router.post(
    "/revoke",
    openapi_extra=FORM_AND_JSON,
    responses={
        200: {
            "description": "The token is worth nothing now, if it ever was anything.",
            "content": {"application/json": {"example": {}}},
        },
        **refusals(MalformedBody, ValidationFailed, BodyTooLarge, Unavailable),
    },
)
async def revoke(request: Request) -> Response:
    """End the family of a refresh token, as at a log-out (RFC 7009).

    The answer is 200 for a token that is unknown, expired or of another kind, too: the caller's
    aim is reached.
    """
    parts, unverified_token = parts_of(request), await read_member(request, "token")
    await asyncio.to_thread(_revoke, parts, unverified_token)
    return JSONResponse({}, headers=NO_STORE)


def token_pair(parts: Parts, subject: Subject, grant: RefreshGrant) -> Response:
    """Sign both tokens and write them in the original's shape."""
    now = parts.clock()
    pair = {
        "refresh": parts.issuer.issue_refresh(grant, now=now),
        "access": parts.issuer.issue_access(subject, now=now),
    }
    return Response(json.dumps(pair), media_type="application/json", headers=NO_STORE)


def log_in(parts: Parts, user: User, *, username: str, source: str) -> Response:
    """Begin a family for a user whose password was right, and answer with its tokens."""
    now = parts.clock()
    attempt = parts.throttle.attempt(username, source=source)
    # Two statements on their own instead of a transaction: a family whose tokens nobody got is
    # harmless, and two round trips are less than six.
    with parts.statements.connect() as connection:
        grant = parts.families.start(connection, user.subject, now=now)
        parts.throttle.record_success(connection, attempt, now=now)
    return token_pair(parts, user.subject, grant)


def _verify_either(parts: Parts, unverified_token: str) -> VerifiedClaims:
    now = parts.clock()
    try:
        return parts.issuer.verify(unverified_token, token_type=TokenType.ACCESS, now=now)
    except InvalidToken:
        return parts.issuer.verify(unverified_token, token_type=TokenType.REFRESH, now=now)


def _revoke(parts: Parts, unverified_token: str) -> None:
    now = parts.clock()
    try:
        presented = parts.issuer.verify(unverified_token, token_type=TokenType.REFRESH, now=now)
    except InvalidToken:
        return
    parts.families.revoke(presented, now=now)
