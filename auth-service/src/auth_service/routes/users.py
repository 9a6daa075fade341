"""`/internal/users…` and `/internal/audit`: accounts for billing-service, which has the admin."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy import Connection

from auth_service import audit
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
    Unavailable,
    UsernameTaken,
    UserNotFound,
    ValidationFailed,
    VersionConflict,
)
from auth_service.routes.dependencies import InternalOrigin, Parts, parts_of
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.new_passwords import acceptable_hash
from auth_service.routes.openapi_responses import refusals
from auth_service.schemas import (
    AuditEventOut,
    AuditPage,
    FeedEntry,
    FeedPage,
    NewPasswordIn,
    NewUserIn,
    SearchText,
    UserChangeIn,
    UserOut,
    UserPage,
)
from auth_service.users import accounts, changes, guards, idempotency
from auth_service.users.accounts import User
from auth_service.users.changes import Change, NewUser

_INTERNAL_REFUSALS = (NotAuthenticated, InvalidToken, ValidationFailed, Unavailable)
_BODY_REFUSALS = (MalformedBody, BodyTooLarge)
_GUARD_REFUSALS = (SuperuserRequired, SelfDemotion, LastSuperuser)
_ENTITY_TAG = re.compile(r'"([0-9]{1,9})"')
_LARGEST_INTEGER = 2**63 - 1

router = APIRouter(
    prefix="/internal",
    tags=["internal"],
    route_class=StrictRoute,
    responses=refusals(*_INTERNAL_REFUSALS),
)
T = TypeVar("T")
Position = Annotated[int, Query(ge=0, le=_LARGEST_INTEGER)]


@router.get("/users")
def list_users(
    request: Request,
    _origin: InternalOrigin,
    search: SearchText = "",
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> UserPage:
    """List accounts in the order of their ids, a page at a time."""
    found = _read(request, lambda c: accounts.page(c, search=search, after=after, limit=limit))
    next_after = found[-1].id if len(found) == limit else None
    return UserPage(results=[_shown(user) for user in found], next_after=next_after)


@router.get("/users/changes")
def user_changes(
    request: Request,
    _origin: InternalOrigin,
    after: Position = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> FeedPage:
    """Read the latest change of every account that changed after a position.

    Positions become visible in their own order: what was read once never grows behind the reader.
    A position from before an older database was restored starts at the beginning again, which a
    `next_after` below `after` tells.
    """

    def read(connection: Connection) -> tuple[int, Sequence[User]]:
        start = accounts.feed_start(connection, after)
        return start, accounts.changes_after(connection, start, limit=limit)

    start, found = _read(request, read)
    return FeedPage(
        changes=[
            FeedEntry(seq=user.change_seq, deleted=user.deleted_at is not None, user=_shown(user))
            for user in found
        ],
        next_after=found[-1].change_seq if found else start,
    )


@router.post(
    "/users",
    status_code=201,
    responses=refusals(
        *_BODY_REFUSALS,
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
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> UserOut:
    """Create an account; repeated under the same Idempotency-Key it answers as the first time."""
    parts = parts_of(request)
    password_hash = await acceptable_hash(
        parts, body.password, username=body.username, field="password"
    )

    def create(change: Change) -> UserOut:
        digest = idempotency.request_digest(parts.digest_secret, body.model_dump())
        if idempotency_key is not None:
            earlier = idempotency.earlier_response(
                change.connection, idempotency_key, digest=digest
            )
            if earlier is not None:
                return UserOut.model_validate(earlier)
        new = NewUser(**body.model_dump(exclude={"password"}))
        created = _shown(changes.create(change, new, password_hash=password_hash))
        if idempotency_key is not None:
            idempotency.remember(
                change.connection,
                idempotency_key,
                digest=digest,
                response=created.model_dump(mode="json"),
                now=change.now,
            )
        return created

    return await asyncio.to_thread(_change, parts, origin, create)


@router.get("/users/{user_id}", responses=refusals(UserNotFound))
def get_user(user_id: UUID, request: Request, _origin: InternalOrigin) -> UserOut:
    """Show one account."""
    return _shown(_read(request, lambda connection: accounts.get(connection, user_id)))


@router.patch(
    "/users/{user_id}",
    responses=refusals(
        *_BODY_REFUSALS,
        *_GUARD_REFUSALS,
        UserNotFound,
        UsernameTaken,
        VersionConflict,
        PreconditionRequired,
    ),
)
def change_user(
    user_id: UUID,
    body: UserChangeIn,
    request: Request,
    origin: InternalOrigin,
    if_match: Annotated[str | None, Header(description='`"<version>"` as it was read.')] = None,
) -> UserOut:
    """Change an account that nobody changed since it was read."""
    version, wanted = _version(if_match), body.model_dump(exclude_none=True)
    return _change(
        parts_of(request),
        origin,
        lambda c: _shown(changes.alter(c, user_id, wanted, expected_version=version)),
    )


@router.post("/users/{user_id}/deactivate", responses=refusals(*_GUARD_REFUSALS, UserNotFound))
def deactivate_user(user_id: UUID, request: Request, origin: InternalOrigin) -> UserOut:
    """End an account's log-ins, sessions and tokens."""
    return _change(parts_of(request), origin, lambda c: _shown(changes.deactivate(c, user_id)))


@router.post(
    "/users/{user_id}/password",
    responses=refusals(
        *_BODY_REFUSALS, ValidationFailed, SuperuserRequired, UserNotFound, Overloaded
    ),
)
async def set_password(
    user_id: UUID, body: NewPasswordIn, request: Request, origin: InternalOrigin
) -> UserOut:
    """Set an account's password and end its sessions."""
    parts = parts_of(request)
    user = await asyncio.to_thread(_read, request, lambda c: accounts.get(c, user_id))
    new_hash = await acceptable_hash(parts, body.password, username=user.username, field="password")
    return await asyncio.to_thread(
        _change,
        parts,
        origin,
        lambda c: _shown(changes.set_password(c, user_id, password_hash=new_hash)),
    )


@router.delete("/users/{user_id}", status_code=204, responses=refusals(*_GUARD_REFUSALS))
def delete_user(user_id: UUID, request: Request, origin: InternalOrigin) -> Response:
    """Delete an account and everything personal in it; the feed tells of it."""
    _change(parts_of(request), origin, lambda c: changes.delete(c, user_id))
    return Response(status_code=204)


@router.get("/audit", responses=refusals(SuperuserRequired))
def read_audit(
    request: Request,
    origin: InternalOrigin,
    user_id: UUID | None = None,
    before: Position | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditPage:
    """Read the audit log backwards; for superusers only."""

    def read(connection: Connection) -> list[Any]:
        guards.require_superuser(connection, origin)
        return audit.events(connection, user_id=user_id, before=before, limit=limit)

    found = _read(request, read)
    return AuditPage(
        results=[AuditEventOut.model_validate(event) for event in found],
        next_before=found[-1].id if len(found) == limit else None,
    )


def _read(request: Request, look: Callable[[Connection], T]) -> T:
    with parts_of(request).statements.connect() as connection:
        return look(connection)


def _change(parts: Parts, origin: Origin, act: Callable[[Change], T]) -> T:
    with changes.change(parts.engine, origin=origin, now=parts.clock()) as change:
        return act(change)


def _shown(user: User) -> UserOut:
    return UserOut.model_validate(user)


def _version(if_match: str | None) -> int:
    if if_match is None:
        raise PreconditionRequired
    found = _ENTITY_TAG.fullmatch(if_match.strip())
    if found is None:
        raise VersionConflict
    return int(found.group(1))
