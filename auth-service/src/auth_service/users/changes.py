"""Changes accounts: one change at a time, each numbered, checked and written to the audit log."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, insert
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.exc import IntegrityError

from auth_service import audit
from auth_service.audit import Origin
from auth_service.errors import EmailTaken, InvalidToken, UsernameTaken, VersionConflict
from auth_service.mail import outbox
from auth_service.tables import (
    feed_position,
    recovery_code,
    second_factor,
    second_factor_challenge,
    users,
)
from auth_service.tokens import one_time
from auth_service.usernames import fold_username
from auth_service.users import guards, idempotency, notices
from auth_service.users.accounts import COLUMNS, User, get
from auth_service.users.confusable_names import skeleton_of_new
from auth_service.users.guards import RIGHTS


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """An account to create."""

    username: str
    email: str = ""
    email_verified_at: datetime | None = None
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An open transaction that holds the lock of all changes.

    Attributes:
        connection: The transaction.
        seq: The change's position in the feed. No other change gets a position before this
            transaction ends. So positions become visible in their own order, and the check for
            the last superuser needs no lock of its own.
        origin: Who makes the change, for the audit log.
        now: The time of the change.
    """

    connection: Connection
    seq: int
    origin: Origin
    now: datetime


@contextmanager
def change(engine: Engine, *, origin: Origin, now: datetime) -> Iterator[Change]:
    """Open the transaction of a change. It commits at the end, and rolls back on any error.

    Raises:
        UsernameTaken: The change would give two accounts the same username.
        EmailTaken: Two accounts would have verified the same address.
    """
    try:
        with engine.begin() as connection:
            seq = connection.execute(
                update_rows(feed_position)
                .values(seq=feed_position.c.seq + 1)
                .returning(feed_position.c.seq)
            ).scalar_one()
            yield Change(connection=connection, seq=seq, origin=origin, now=now)
    except IntegrityError as error:
        if "users_username_key" in str(error.orig):
            raise UsernameTaken from None
        if "users_verified_email" in str(error.orig):
            raise EmailTaken from None
        raise


def create(change: Change, new: NewUser, *, password_hash: str) -> User:
    """Create an account.

    Raises:
        SuperuserRequired: The account would be staff, and the acting user is no superuser.
        UsernameConfusable: The username looks like another user's.
    """
    if new.is_staff or new.is_superuser:
        guards.require_superuser(change.connection, change.origin)
    row = change.connection.execute(
        insert(users)
        .values(
            id=uuid4(),
            username=new.username,
            username_key=fold_username(new.username),
            username_skeleton=skeleton_of_new(change.connection, new.username),
            email=new.email,
            email_verified_at=new.email_verified_at,
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
    user = User._make(row)
    _log(change, "user.created", user.id, {name: getattr(user, name) for name in RIGHTS})
    return user


def update(
    change: Change, user_id: UUID, fields: Mapping[str, Any], *, expected_version: int
) -> User:
    """Change an account's username, email address or rights.

    An account that loses a right loses its tokens too.

    Args:
        change: The open change.
        user_id: The account.
        fields: New values by field; a value that is already set changes nothing.
        expected_version: The account's version when the caller read it.

    Raises:
        UserNotFound: There is no such account, or it was deleted.
        VersionConflict: The account has changed since the caller read it.
        SelfDemotion: The acting user would lose a right.
        LastSuperuser: No active superuser would be left.
        SuperuserRequired: Only a superuser may change this account or grant this right.
        UsernameConfusable: The new username looks like another user's.
    """
    user = get(change.connection, user_id)
    if user.version != expected_version:
        raise VersionConflict
    changed = {name: value for name, value in fields.items() if getattr(user, name) != value}
    if not changed:
        return user
    guards.check_update(change.connection, change.origin, user, changed)
    loses_right = any(changed.get(name) is False for name in RIGHTS)
    values = dict(changed)
    if "username" in values:
        name = values["username"]
        values["username_key"] = fold_username(name)
        values["username_skeleton"] = skeleton_of_new(change.connection, name, user_id=user.id)
    if "email" in values:
        values["email_verified_at"] = None
        notices.send(change.connection, user, notices.EMAIL_CHANGED, now=change.now)
    updated = _write(change, user, values, revokes_tokens=loses_right)
    # Usernames and email addresses are personal data, and the log outlives the account.
    detail = {
        name: [getattr(user, name), value] if name in RIGHTS else "changed"
        for name, value in changed.items()
    }
    _log(change, "user.changed", user.id, detail)
    return updated


def deactivate(change: Change, user_id: UUID) -> User:
    """Deactivate an account, which revokes its tokens. Repeating it changes nothing.

    The checks come first, so they refuse an account that is already inactive too.

    Raises:
        UserNotFound: There is no such account, or it was deleted.
        SelfDemotion: It is the acting user's own account.
        LastSuperuser: No active superuser would be left.
        SuperuserRequired: Only a superuser may change this account.
    """
    user = get(change.connection, user_id)
    guards.check_update(change.connection, change.origin, user, {"is_active": False})
    if not user.is_active:
        return user
    deactivated = _write(change, user, {"is_active": False}, revokes_tokens=True)
    _log(change, "user.deactivated", user.id)
    return deactivated


def set_password(change: Change, user_id: UUID, *, password_hash: str) -> User:
    """Replace an account's password, which revokes its tokens.

    Raises:
        UserNotFound: There is no such account, or it was deleted.
        SuperuserRequired: Only a superuser may change this account.
    """
    user = get(change.connection, user_id)
    guards.require_can_manage(change.connection, change.origin, user)
    return _replace_password(change, user, password_hash, action="user.password_set")


def reset_password(change: Change, user: User, *, password_hash: str) -> User:
    """Replace the password of a user who opened the link of a mail, which revokes all tokens."""
    return _replace_password(change, user, password_hash, action="user.password_reset")


def set_verified_email(change: Change, user: User, email: str) -> User:
    """Give an account an address that its user has confirmed.

    Raises:
        EmailTaken: Another account has verified it; raised when the change ends.
    """
    if user.email != email:
        notices.send(change.connection, user, notices.EMAIL_CHANGED, now=change.now)
    values = {"email": email, "email_verified_at": change.now}
    changed = _write(change, user, values, revokes_tokens=False)
    _log(change, "user.email_verified", user.id)
    return changed


def replace_own_password(change: Change, user: User, *, password_hash: str) -> User:
    """Replace the password of a user who has just entered the current one.

    Args:
        change: The open change.
        user: As read before the password was checked. If the epoch has moved since, staff may
            have set a new password to keep an intruder out, and the intruder must stay out.
        password_hash: Of the new password.

    Raises:
        InvalidToken: The account was deleted, or its tokens were revoked, since it was read.
    """
    current = guards.get_or_none(change.connection, user.id)
    if current is None or current.auth_epoch != user.auth_epoch:
        raise InvalidToken
    return set_password(change, user.id, password_hash=password_hash)


def enable_second_factor(change: Change, user: User) -> User:
    """Note that log-ins of an account need its second factor from now on."""
    return _set_second_factor(change, user, change.now, action="second_factor.enabled")


def disable_second_factor(change: Change, user: User) -> User:
    """Remove the second factor of a user who has just proved it."""
    return _set_second_factor(change, user, None, action="second_factor.disabled")


def reset_second_factor(change: Change, user_id: UUID) -> User:
    """Remove the second factor of a user who has lost it, and revoke the account's tokens.

    Repeating it changes nothing.

    Raises:
        UserNotFound: There is no such account, or it was deleted.
        SuperuserRequired: The acting user is no superuser.
    """
    user = get(change.connection, user_id)
    guards.require_superuser(change.connection, change.origin)
    if user.second_factor_at is None:
        return user
    return _set_second_factor(change, user, None, action="second_factor.reset", revokes_tokens=True)


def revoke_tokens(change: Change, user_id: UUID) -> User:
    """Revoke all tokens of an account.

    Raises:
        UserNotFound: There is no such account, or it was deleted.
    """
    user = get(change.connection, user_id)
    updated = _write(change, user, {}, revokes_tokens=True)
    _log(change, "user.sessions_ended", user.id)
    return updated


def delete(change: Change, user_id: UUID) -> None:
    """Delete an account and its personal data; a row without them reports it in the feed.

    Deleting an account that does not exist changes nothing.

    Raises:
        SelfDemotion: It is the acting user's own account.
        LastSuperuser: No active superuser would be left.
        SuperuserRequired: Only a superuser may delete this account.
    """
    user = guards.get_or_none(change.connection, user_id)
    if user is None:
        return
    guards.check_update(change.connection, change.origin, user, {"is_active": False})
    # A username cannot contain a colon, so this is free in every copy of the accounts.
    placeholder = f"deleted:{user.id}"
    values = {
        "username": placeholder,
        "username_key": placeholder,
        "username_skeleton": None,
        "email": "",
        "email_verified_at": None,
        "password_hash": "",
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        "last_login_at": None,
        "deleted_at": change.now,
        "second_factor_at": None,
    }
    _write(change, user, values, revokes_tokens=True)
    idempotency.forget(change.connection, user.id)
    _forget_second_factor(change.connection, user.id)
    outbox.forget(change.connection, user.id)
    one_time.forget(change.connection, user.id)
    _log(change, "user.deleted", user.id)


def _replace_password(change: Change, user: User, password_hash: str, *, action: str) -> User:
    changed = _write(change, user, {"password_hash": password_hash}, revokes_tokens=True)
    notices.send(change.connection, user, notices.PASSWORD_CHANGED, now=change.now)
    _log(change, action, user.id)
    return changed


def _write(change: Change, user: User, values: Mapping[str, Any], *, revokes_tokens: bool) -> User:
    row = change.connection.execute(
        update_rows(users)
        .where(users.c.id == user.id)
        .values(
            **values,
            auth_epoch=users.c.auth_epoch + int(revokes_tokens),
            version=users.c.version + 1,
            updated_at=change.now,
            change_seq=change.seq,
        )
        .returning(*COLUMNS)
    ).one()
    return User._make(row)


def _set_second_factor(
    change: Change, user: User, at: datetime | None, *, action: str, revokes_tokens: bool = False
) -> User:
    changed = _write(change, user, {"second_factor_at": at}, revokes_tokens=revokes_tokens)
    if at is None:
        _forget_second_factor(change.connection, user.id)
    _log(change, action, user.id)
    notice = notices.SECOND_FACTOR_ADDED if at else notices.SECOND_FACTOR_REMOVED
    notices.send(change.connection, user, notice, now=change.now)
    return changed


def _forget_second_factor(connection: Connection, user_id: UUID) -> None:
    for table in (second_factor_challenge, recovery_code, second_factor):
        connection.execute(delete_rows(table).where(table.c.user_id == user_id))


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
