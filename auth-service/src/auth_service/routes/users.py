"""`/internal/users…`: accounts, for the admin pages of billing-service."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy import Connection

from auth_service.audit import Origin
from auth_service.errors import (
    BodyTooLarge,
    IdempotencyKeyReused,
    InvalidToken,
    LastSuperuser,
    MalformedBody,
    NotAuthenticated,
    Overloaded,
    PreconditionRequired,
    SelfDemotion,
    SuperuserRequired,
    TooManyAttempts,
    Unavailable,
    UsernameTaken,
    UserNotFound,
    ValidationFailed,
    VersionConflict,
    WrongPassword,
)
from auth_service.routes.dependencies import AppState, InternalOrigin, app_state
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.new_passwords import hash_new_password
from auth_service.routes.openapi_responses import errors
from auth_service.schemas import (
    FeedEntry,
    FeedPage,
    NewPasswordIn,
    NewUserIn,
    SearchText,
    UserChangeIn,
    UserOut,
    UserPage,
)
from auth_service.users import accounts, changes, idempotency
from auth_service.users.accounts import User
from auth_service.users.changes import Change, NewUser

_BODY_ERRORS = (MalformedBody, BodyTooLarge)
_GUARD_ERRORS = (SuperuserRequired, SelfDemotion, LastSuperuser)
_ENTITY_TAG = re.compile(r'"([0-9]{1,9})"')
_LARGEST_BIGINT = 2**63 - 1

router = APIRouter(
    prefix="/internal",
    tags=["internal"],
    route_class=StrictRoute,
    responses=errors(NotAuthenticated, InvalidToken, ValidationFailed, Unavailable),
)
T = TypeVar("T")
Position = Annotated[int, Query(ge=0, le=_LARGEST_BIGINT)]


@router.get(
    "/users",
    operation_id="listUsers",
    summary="List accounts",
    response_description="A page of accounts.",
)
def list_users(
    request: Request,
    _origin: InternalOrigin,
    search: Annotated[SearchText, Query(description="Part of a username or email address.")] = "",
    after: Annotated[UUID | None, Query(description="`next_after` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> UserPage:
    """Lists accounts in the order of their ids, one page at a time."""
    found = _read(request, lambda c: accounts.page(c, search=search, after=after, limit=limit))
    next_after = found[-1].id if len(found) == limit else None
    return UserPage(results=[_user_out(user) for user in found], next_after=next_after)


@router.get(
    "/users/changes",
    operation_id="listUserChanges",
    summary="Read the feed of changed accounts",
    response_description="A page of the feed.",
)
def user_changes(
    request: Request,
    _origin: InternalOrigin,
    after: Annotated[Position, Query(description="`next_after` of the previous page.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> FeedPage:
    """Returns the accounts that changed after a position, each with its latest change.

    Positions become visible in their own order, so nothing appears behind a position that you have
    read. If an older backup of the database was restored, `next_after` can be smaller than
    `after`: then read everything again from there.
    """

    def read(connection: Connection) -> tuple[int, Sequence[User]]:
        start = accounts.feed_start(connection, after)
        return start, accounts.changes_after(connection, start, limit=limit)

    start, found = _read(request, read)
    return FeedPage(
        changes=[
            FeedEntry(
                seq=user.change_seq, deleted=user.deleted_at is not None, user=_user_out(user)
            )
            for user in found
        ],
        next_after=found[-1].change_seq if found else start,
    )


@router.post(
    "/users",
    operation_id="createUser",
    summary="Create an account",
    response_description="The account, or the one that the first request created.",
    status_code=201,
    responses=errors(
        *_BODY_ERRORS,
        ValidationFailed,
        SuperuserRequired,
        UsernameTaken,
        IdempotencyKeyReused,
        Overloaded,
    ),
)
async def create_user(
    body: NewUserIn,
    request: Request,
    origin: InternalOrigin,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="Any unique text, valid for a day."),
    ] = None,
) -> UserOut:
    """A request that is repeated with its Idempotency-Key returns the first response."""
    state = app_state(request)
    password_hash = await hash_new_password(
        state, body.password, username=body.username, email=body.email, field="password"
    )

    def create(change: Change) -> UserOut:
        digest = idempotency.request_digest(state.digest_secret, body.model_dump())
        if idempotency_key is not None:
            earlier = idempotency.earlier_response(
                change.connection, idempotency_key, digest=digest
            )
            if earlier is not None:
                return UserOut.model_validate(earlier)
        new = NewUser(**body.model_dump(exclude={"password"}))
        created = _user_out(changes.create(change, new, password_hash=password_hash))
        if idempotency_key is not None:
            idempotency.remember(
                change.connection,
                idempotency_key,
                digest=digest,
                response=created.model_dump(mode="json"),
                now=change.now,
            )
        return created

    return await asyncio.to_thread(_change, state, origin, create)


@router.get(
    "/users/{user_id}",
    operation_id="getUser",
    summary="Get an account",
    response_description="The account.",
    responses=errors(UserNotFound),
)
def get_user(user_id: UUID, request: Request, _origin: InternalOrigin) -> UserOut:
    return _user_out(_read(request, lambda connection: accounts.get(connection, user_id)))


@router.patch(
    "/users/{user_id}",
    operation_id="updateUser",
    summary="Change an account",
    response_description="The changed account.",
    responses=errors(
        *_BODY_ERRORS,
        *_GUARD_ERRORS,
        UserNotFound,
        UsernameTaken,
        VersionConflict,
        PreconditionRequired,
    ),
)
def update_user(
    user_id: UUID,
    body: UserChangeIn,
    request: Request,
    origin: InternalOrigin,
    if_match: Annotated[
        str | None, Header(description='The `version` that you read, in quotes: `"7"`.')
    ] = None,
) -> UserOut:
    """Changes the fields that are sent, if the account has not changed since you read it.

    An account that loses a right (`is_active`, `is_staff`, `is_superuser`) loses its tokens too.
    """
    version, fields = _version(if_match), body.model_dump(exclude_none=True)
    return _change(
        app_state(request),
        origin,
        lambda c: _user_out(changes.update(c, user_id, fields, expected_version=version)),
    )


@router.post(
    "/users/{user_id}/deactivate",
    operation_id="deactivateUser",
    summary="Deactivate an account",
    response_description="The inactive account.",
    responses=errors(*_GUARD_ERRORS, UserNotFound),
)
def deactivate_user(user_id: UUID, request: Request, origin: InternalOrigin) -> UserOut:
    """The user can no longer log in, and all tokens are revoked. Repeating it changes nothing."""
    return _change(app_state(request), origin, lambda c: _user_out(changes.deactivate(c, user_id)))


@router.post(
    "/users/{user_id}/password",
    operation_id="setPassword",
    summary="Set an account's password",
    response_description="The account.",
    responses=errors(
        *_BODY_ERRORS,
        ValidationFailed,
        WrongPassword,
        SuperuserRequired,
        UserNotFound,
        TooManyAttempts,
        Overloaded,
    ),
)
async def set_password(
    user_id: UUID, body: NewPasswordIn, request: Request, origin: InternalOrigin
) -> UserOut:
    """Sets a new password and revokes all tokens of the account.

    With `current_password`, that is checked first. A wrong one counts as a failed log-in from
    X-Actor-Source.
    """
    state = app_state(request)
    user = await asyncio.to_thread(_read, request, lambda c: accounts.get(c, user_id))
    if body.current_password is not None:
        await state.login.confirm(user, body.current_password, client_ip=origin.client)
    new_hash = await hash_new_password(
        state, body.password, username=user.username, email=user.email, field="password"
    )
    return await asyncio.to_thread(
        _change,
        state,
        origin,
        lambda c: _user_out(changes.set_password(c, user_id, password_hash=new_hash)),
    )


@router.delete(
    "/users/{user_id}",
    operation_id="deleteUser",
    summary="Delete an account",
    response_description="The account is deleted.",
    status_code=204,
    responses=errors(*_GUARD_ERRORS),
)
def delete_user(user_id: UUID, request: Request, origin: InternalOrigin) -> Response:
    """Deletes an account and its personal data. The feed reports it as deleted.

    The response is 204 for an account that does not exist too.
    """
    _change(app_state(request), origin, lambda c: changes.delete(c, user_id))
    return Response(status_code=204)


def _read(request: Request, read: Callable[[Connection], T]) -> T:
    with app_state(request).autocommit.connect() as connection:
        return read(connection)


def _change(state: AppState, origin: Origin, apply: Callable[[Change], T]) -> T:
    with changes.change(state.engine, origin=origin, now=state.clock()) as change:
        return apply(change)


def _user_out(user: User) -> UserOut:
    return UserOut.model_validate(user)


def _version(if_match: str | None) -> int:
    if if_match is None:
        raise PreconditionRequired
    found = _ENTITY_TAG.fullmatch(if_match.strip())
    if found is None:
        raise VersionConflict
    return int(found.group(1))
