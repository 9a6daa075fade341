"""`/api/token/…` for a caller with an access token: me, password, revoke-all."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from auth_service.audit import Origin
from auth_service.errors import (
    BodyTooLarge,
    CrossSiteRequest,
    InvalidToken,
    MalformedBody,
    NotAuthenticated,
    Overloaded,
    TooManyAttempts,
    Unavailable,
    ValidationFailed,
    WrongPassword,
)
from auth_service.routes.dependencies import AppState, Caller, app_state, client_ip, origin_of
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.new_passwords import hash_new_password
from auth_service.routes.openapi_responses import SETS_COOKIE, errors
from auth_service.routes.token import log_in
from auth_service.schemas import AccessToken, Account, PasswordChange, RefreshIn, TokenPair
from auth_service.users import changes
from auth_service.users.accounts import User

router = APIRouter(prefix="/api/token", tags=["account"], route_class=StrictRoute)
_CALLER_ERRORS = (NotAuthenticated, InvalidToken, Unavailable)


@router.get(
    "/me",
    operation_id="getCurrentUser",
    summary="Get the caller's account",
    response_description="The account.",
    responses=errors(*_CALLER_ERRORS),
)
async def me(user: Caller) -> Account:
    return Account.model_validate(user)


@router.post(
    "/revoke-all",
    operation_id="revokeAllTokens",
    summary="Log out of all sessions",
    response_description="All tokens are revoked.",
    status_code=204,
    responses=errors(*_CALLER_ERRORS),
)
async def revoke_all(user: Caller, request: Request) -> Response:
    """Revokes all refresh tokens and access tokens of the caller.

    A service that verifies access tokens by their signature alone accepts them until they expire.
    """
    state, origin = app_state(request), origin_of(request, user.id)
    await asyncio.to_thread(_revoke_tokens, state, user, origin)
    response = Response(status_code=204)
    if state.refresh_cookie.is_sent(request):
        state.refresh_cookie.clear(response)
    return response


@router.post(
    "/password",
    operation_id="changePassword",
    summary="Change the caller's password",
    response_description="The new tokens.",
    response_model=TokenPair | AccessToken,
    responses=SETS_COOKIE
    | errors(
        MalformedBody,
        ValidationFailed,
        BodyTooLarge,
        *_CALLER_ERRORS,
        WrongPassword,
        CrossSiteRequest,
        TooManyAttempts,
        Overloaded,
    ),
)
async def change_password(body: PasswordChange, user: Caller, request: Request) -> Response:
    """Revokes all other tokens of the caller, and returns new ones.

    A new password has 8 to 1024 characters, is not a common one, and differs from the username, the
    email address and the name of the product.
    """
    state, ip = app_state(request), client_ip(request)
    if body.refresh_in == "cookie":
        state.refresh_cookie.check_origin(request)
    await state.login.confirm(user, body.current_password, client_ip=ip)
    new_hash = await hash_new_password(
        state, body.new_password, username=user.username, email=user.email
    )
    origin = origin_of(request, user.id)
    # The new session is for the services that the access token is for.
    audience = set(request.state.audience) & set(state.issuer.audiences)
    is_default = audience == set(state.issuer.default_audiences)
    return await asyncio.to_thread(
        _change_password,
        state,
        user,
        new_hash,
        origin=origin,
        refresh_in=body.refresh_in,
        audience=None if is_default else sorted(audience),
    )


def _revoke_tokens(state: AppState, user: User, origin: Origin) -> None:
    with changes.change(state.engine, origin=origin, now=state.clock()) as change:
        changes.revoke_tokens(change, user.id)


def _change_password(
    state: AppState,
    user: User,
    new_hash: str,
    *,
    origin: Origin,
    refresh_in: RefreshIn,
    audience: Sequence[str] | None,
) -> Response:
    with changes.change(state.engine, origin=origin, now=state.clock()) as change:
        changed = changes.replace_own_password(change, user, password_hash=new_hash)
    return log_in(
        state,
        changed,
        username=user.username,
        origin=origin,
        method="password_change",
        refresh_in=refresh_in,
        audience=audience,
    )
