"""`/api/token/…` for whoever holds an access token: me, password, revoke-all."""

import asyncio

from fastapi import APIRouter, Request, Response

from auth_service.audit import Origin
from auth_service.errors import (
    BodyTooLarge,
    InvalidToken,
    MalformedBody,
    NotAuthenticated,
    Overloaded,
    TooManyAttempts,
    Unavailable,
    ValidationFailed,
    WrongPassword,
)
from auth_service.routes.dependencies import Caller, Parts, parts_of, source_of
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.new_passwords import acceptable_hash
from auth_service.routes.openapi_responses import refusals
from auth_service.routes.token import NO_STORE, log_in
from auth_service.schemas import Account, PasswordChange, TokenPair
from auth_service.users import changes
from auth_service.users.accounts import User

router = APIRouter(prefix="/api/token", tags=["account"], route_class=StrictRoute)
_CALLER_REFUSALS = (NotAuthenticated, InvalidToken, Unavailable)


@router.get("/me", responses=refusals(*_CALLER_REFUSALS))
async def me(user: Caller) -> Account:
    """Show the caller's own account."""
    return Account.model_validate(user)


@router.post(
    "/revoke-all",
    status_code=204,
    responses=refusals(*_CALLER_REFUSALS),
)
async def revoke_all(user: Caller, request: Request) -> Response:
    """End every session of the caller: all refresh families, and access tokens with them."""
    parts, origin = parts_of(request), Origin(actor_id=user.id, source=source_of(request))
    await asyncio.to_thread(_end_sessions, parts, user, origin)
    return Response(status_code=204, headers=NO_STORE)


@router.post(
    "/password",
    response_model=TokenPair,
    responses=refusals(
        MalformedBody,
        ValidationFailed,
        BodyTooLarge,
        *_CALLER_REFUSALS,
        WrongPassword,
        TooManyAttempts,
        Overloaded,
    ),
)
async def change_password(body: PasswordChange, user: Caller, request: Request) -> Response:
    """Replace the caller's password; every other session ends, and the caller gets new tokens."""
    parts, source = parts_of(request), source_of(request)
    await parts.login.confirm(user, body.current_password, source=source)
    new_hash = await acceptable_hash(parts, body.new_password, username=user.username)
    return await asyncio.to_thread(_change_password, parts, user, new_hash, source)


def _end_sessions(parts: Parts, user: User, origin: Origin) -> None:
    with changes.change(parts.engine, origin=origin, now=parts.clock()) as change:
        changes.end_sessions(change, user.id)


def _change_password(parts: Parts, user: User, new_hash: str, source: str) -> Response:
    origin = Origin(actor_id=user.id, source=source)
    with changes.change(parts.engine, origin=origin, now=parts.clock()) as change:
        changed = changes.replace_own_password(change, user, password_hash=new_hash)
    return log_in(parts, changed, username=user.username, source=source)
