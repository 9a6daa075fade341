"""Setting up a second factor: a secret, confirmed by its first code, and recovery codes."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy import update as update_rows
from sqlalchemy.dialects.postgresql import insert as upsert

from auth_service import audit
from auth_service.errors import (
    EnrolmentNotStarted,
    SecondFactorActive,
    SecondFactorNotActive,
    WrongCode,
)
from auth_service.second_factor import codes
from auth_service.second_factor.protection import Protection
from auth_service.tables import recovery_code, second_factor
from auth_service.users import changes, notices
from auth_service.users.accounts import User, get
from auth_service.users.changes import Change


class Status(NamedTuple):
    """What a user sees of their second factor.

    Fields:
        enabled_at: None while there is none.
        last_used_at: The last time that a code or recovery code was accepted.
    """

    enabled_at: datetime | None
    last_used_at: datetime | None
    recovery_codes_left: int


def status(connection: Connection, user: User) -> Status:
    """Read the state of a user's second factor."""
    if user.second_factor_at is None:
        return Status(None, None, 0)
    left = select(func.count()).where(recovery_code.c.user_id == user.id).scalar_subquery()
    query = select(second_factor.c.last_used_at, left).where(second_factor.c.user_id == user.id)
    return Status(user.second_factor_at, *connection.execute(query).one())


def start(connection: Connection, user: User, *, protection: Protection, now: datetime) -> str:
    """Give a user a new secret, which replaces one that was not confirmed.

    Raises:
        SecondFactorActive: The user has a second factor.
    """
    if user.second_factor_at is not None:
        raise SecondFactorActive
    secret = codes.new_secret()
    values = {
        "secret": protection.encrypt(secret, user_id=user.id),
        "created_at": now,
        "last_used_at": None,
        "last_step": 0,
        "refused_codes": 0,
    }
    statement = upsert(second_factor).values(user_id=user.id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=values))
    return secret


def pending(connection: Connection, user: User, *, protection: Protection) -> str:
    """Return the secret that waits for its first code.

    Raises:
        SecondFactorActive: The user has a second factor, whose secret is not shown again.
        EnrolmentNotStarted: There is no secret to confirm.
    """
    if user.second_factor_at is not None:
        raise SecondFactorActive
    query = select(second_factor.c.secret).where(second_factor.c.user_id == user.id)
    encrypted = connection.execute(query).scalar_one_or_none()
    if encrypted is None:
        raise EnrolmentNotStarted
    return protection.decrypt(encrypted, user_id=user.id)


def confirm(change: Change, user: User, code: str, *, protection: Protection) -> list[str]:
    """Activate the second factor whose first code this is, and return the recovery codes.

    Raises:
        SecondFactorActive: The user has a second factor.
        EnrolmentNotStarted: There is no secret to confirm.
        WrongCode: The code is not one of the secret's.
    """
    # Read again under the lock of all changes: two requests may confirm at once.
    user = get(change.connection, user.id)
    secret = pending(change.connection, user, protection=protection)
    step = codes.step_of(code, secret=secret, now=change.now)
    if step is None:
        raise WrongCode
    change.connection.execute(
        update_rows(second_factor)
        .where(second_factor.c.user_id == user.id)
        .values(last_step=step, last_used_at=change.now)
    )
    changes.enable_second_factor(change, user)
    return _new_recovery_codes(change.connection, user, protection=protection)


def replace_recovery_codes(change: Change, user: User, *, protection: Protection) -> list[str]:
    """Return ten new recovery codes; the old ones end.

    Raises:
        SecondFactorNotActive: The user has no second factor.
    """
    user = get(change.connection, user.id)
    if user.second_factor_at is None:
        raise SecondFactorNotActive
    audit.record(
        change.connection,
        "second_factor.recovery_codes_replaced",
        origin=change.origin,
        user_id=user.id,
        now=change.now,
    )
    notices.send(change.connection, user, notices.RECOVERY_CODES_REPLACED, now=change.now)
    return _new_recovery_codes(change.connection, user, protection=protection)


def _new_recovery_codes(connection: Connection, user: User, *, protection: Protection) -> list[str]:
    connection.execute(delete(recovery_code).where(recovery_code.c.user_id == user.id))
    created = codes.new_recovery_codes()
    rows = [
        {
            "user_id": user.id,
            "digest": protection.digests(codes.normal_form(code), user_id=user.id)[0],
        }
        for code in created
    ]
    connection.execute(insert(recovery_code), rows)
    return created
