"""Changing accounts: one writer at a time, every change numbered, guarded and logged."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.exc import IntegrityError

from auth_service import audit
from auth_service.audit import Origin
from auth_service.errors import InvalidToken, UsernameTaken, VersionConflict
from auth_service.passwords.login_throttle import normalised
from auth_service.tables import feed_position, users
from auth_service.users import guards, idempotency
from auth_service.users.accounts import COLUMNS, User, get, user_of
from auth_service.users.guards import RIGHTS


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What an account begins with."""

    username: str
    email: str = ""
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An open transaction that holds the one lock of all writers.

    Attributes:
        connection: Everything of the change happens here.
        seq: The change's number in the feed. Nobody else can take one until this transaction
            ends, so numbers become visible in their own order, and a guard that counts
            superusers needs no lock of its own.
        origin: For the audit log.
        now: The moment of the change.
    """

    connection: Connection
    seq: int
    origin: Origin
    now: datetime


@contextmanager
def change(engine: Engine, *, origin: Origin, now: datetime) -> Iterator[Change]:
    """Open the transaction of a change; commits at the end, rolls back on any error.

    Raises:
        UsernameTaken: The change would give two accounts the same name.
    """
    try:
        with engine.begin() as connection:
            seq = connection.execute(
                update(feed_position)
                .values(seq=feed_position.c.seq + 1)
                .returning(feed_position.c.seq)
            ).scalar_one()
            yield Change(connection=connection, seq=seq, origin=origin, now=now)
    except IntegrityError as error:
        if "users_username_key" not in str(error.orig):
            raise
        raise UsernameTaken from None


def create(change: Change, new: NewUser, *, password_hash: str) -> User:
    """Add an account.

    Raises:
        SuperuserRequired: Somebody who is no superuser would make staff.
    """
    if new.is_staff or new.is_superuser:
        guards.require_superuser(change.connection, change.origin)
    row = change.connection.execute(
        insert(users)
        .values(
            id=uuid4(),
            username=new.username,
            username_key=normalised(new.username),
            email=new.email,
            password_hash=password_hash,
            is_active=new.is_active,
            is_staff=new.is_staff,
            is_superuser=new.is_superuser,
            auth_epoch=1,
            version=1,
            created_at=change.now,
            updated_at=change.now,
            change_seq=change.seq,
        )
        .returning(*COLUMNS)
    ).one()
    user = user_of(row)
    _log(change, "user.created", user.id, {name: getattr(user, name) for name in RIGHTS})
    return user


def alter(
    change: Change, user_id: UUID, wanted: Mapping[str, Any], *, expected_version: int
) -> User:
    """Change name, address or rights.

    Losing a right moves the epoch: tokens that still claim the right die.

    Args:
        change: The open change.
        user_id: Whose account.
        wanted: New values of some fields.
        expected_version: The version the caller read.

    Raises:
        UserNotFound: There is no such account.
        VersionConflict: It is not the version the caller read.
        SelfDemotion: The actor would lose a right.
        LastSuperuser: Nobody would be left.
        SuperuserRequired: The target or the right is out of the actor's reach.
    """
    user = get(change.connection, user_id)
    if user.version != expected_version:
        raise VersionConflict
    changed = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    if not changed:
        return user
    guards.check_alteration(change.connection, change.origin, user, changed)
    loses_right = any(changed.get(name) is False for name in RIGHTS)
    values = dict(changed)
    if "username" in values:
        values["username_key"] = normalised(values["username"])
    altered = _write(change, user, values, moves_epoch=loses_right)
    # Names and addresses are personal, and the log outlives the account.
    detail = {
        name: [getattr(user, name), value] if name in RIGHTS else "changed"
        for name, value in changed.items()
    }
    _log(change, "user.changed", user.id, detail)
    return altered


def deactivate(change: Change, user_id: UUID) -> User:
    """End an account's log-ins and tokens; doing it twice changes nothing.

    Whoever may not do it is told so even when there is nothing left to do.

    Raises:
        UserNotFound: There is no such account.
        SelfDemotion: The actor's own account.
        LastSuperuser: Nobody would be left.
        SuperuserRequired: The account is out of the actor's reach.
    """
    user = get(change.connection, user_id)
    guards.check_alteration(change.connection, change.origin, user, {"is_active": False})
    if not user.is_active:
        return user
    deactivated = _write(change, user, {"is_active": False}, moves_epoch=True)
    _log(change, "user.deactivated", user.id)
    return deactivated


def set_password(change: Change, user_id: UUID, *, password_hash: str) -> User:
    """Replace an account's password and end all its tokens.

    Raises:
        UserNotFound: There is no such account.
        SuperuserRequired: The account is out of the actor's reach.
    """
    user = get(change.connection, user_id)
    guards.require_reach(change.connection, change.origin, user)
    changed = _write(change, user, {"password_hash": password_hash}, moves_epoch=True)
    _log(change, "user.password_set", user.id)
    return changed


def replace_own_password(change: Change, user: User, *, password_hash: str) -> User:
    """Replace the password of somebody who has just shown the present one.

    Args:
        change: The open change.
        user: As read before the password was checked. If the epoch has moved since, staff may
            have shut out whoever knew it, and they must not get back in by this.
        password_hash: Of the new password.

    Raises:
        InvalidToken: The account is gone or its sessions ended meanwhile.
    """
    now_known = guards.get_or_none(change.connection, user.id)
    if now_known is None or now_known.auth_epoch != user.auth_epoch:
        raise InvalidToken
    return set_password(change, user.id, password_hash=password_hash)


def end_sessions(change: Change, user_id: UUID) -> User:
    """Move an account's epoch, so that every token of it dies.

    Raises:
        UserNotFound: There is no such account.
    """
    user = get(change.connection, user_id)
    moved = _write(change, user, {}, moves_epoch=True)
    _log(change, "user.sessions_ended", user.id)
    return moved


def delete(change: Change, user_id: UUID) -> None:
    """Remove an account; an anonymous row stays, so that the feed can tell of it.

    Deleting twice, or what never was, changes nothing.

    Raises:
        SelfDemotion: The actor's own account.
        LastSuperuser: Nobody would be left.
        SuperuserRequired: The account is out of the actor's reach.
    """
    user = guards.get_or_none(change.connection, user_id)
    if user is None:
        return
    guards.check_alteration(change.connection, change.origin, user, {"is_active": False})
    # No username may have a colon, so nobody is called like this in a mirror either.
    name = f"deleted:{user.id}"
    anonymous = {
        "username": name,
        "username_key": name,
        "email": "",
        "password_hash": "",
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        "last_login_at": None,
        "deleted_at": change.now,
    }
    _write(change, user, anonymous, moves_epoch=True)
    idempotency.forget(change.connection, user.id)
    _log(change, "user.deleted", user.id)


def _write(change: Change, user: User, values: Mapping[str, Any], *, moves_epoch: bool) -> User:
    row = change.connection.execute(
        update(users)
        .where(users.c.id == user.id)
        .values(
            **values,
            auth_epoch=users.c.auth_epoch + int(moves_epoch),
            version=users.c.version + 1,
            updated_at=change.now,
            change_seq=change.seq,
        )
        .returning(*COLUMNS)
    ).one()
    return user_of(row)


def _log(
    change: Change, action: str, user_id: UUID, detail: Mapping[str, object] | None = None
) -> None:
    audit.record(
        change.connection,
        action,
        origin=change.origin,
        user_id=user_id,
        now=change.now,
        detail=detail,
    )
