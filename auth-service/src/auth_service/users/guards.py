"""Which changes of accounts are refused. The caller holds the lock of all changes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from auth_service.audit import Origin
from auth_service.errors import LastSuperuser, SelfDemotion, SuperuserRequired, UserNotFound
from auth_service.tables import users
from auth_service.users.accounts import User, get

RIGHTS = ("is_active", "is_staff", "is_superuser")
# The rights that only superusers grant.
GRANTS = ("is_staff", "is_superuser")


def get_or_none(connection: Connection, user_id: UUID) -> User | None:
    """Read an account; None if there is none or it was deleted."""
    try:
        return get(connection, user_id)
    except UserNotFound:
        return None


def require_superuser(connection: Connection, origin: Origin) -> None:
    """Accept superusers, and services and commands that act for no user.

    Raises:
        SuperuserRequired: The acting user is not an active superuser.
    """
    if origin.actor_id is None:
        return
    actor = get_or_none(connection, origin.actor_id)
    if actor is None or not (actor.is_active and actor.is_superuser):
        raise SuperuserRequired


def require_can_manage(connection: Connection, origin: Origin, user: User) -> None:
    """Accept everyone for ordinary accounts, and superusers for accounts of staff.

    Otherwise staff could set a superuser's password and use that superuser's rights.

    Raises:
        SuperuserRequired: The account is another user's staff account, and the acting user is no
            superuser.
    """
    if (user.is_staff or user.is_superuser) and origin.actor_id != user.id:
        require_superuser(connection, origin)


def check_update(
    connection: Connection, origin: Origin, user: User, changed: Mapping[str, Any]
) -> None:
    """Check a change of an account's rights.

    Args:
        connection: The transaction of the change.
        origin: Who makes the change.
        user: The account before the change.
        changed: The new values of the fields that change.

    Raises:
        SuperuserRequired: Only a superuser may change this account or grant this right.
        SelfDemotion: The acting user would lose a right.
        LastSuperuser: No active superuser would be left.
    """
    require_can_manage(connection, origin, user)
    if not changed.keys().isdisjoint(GRANTS):
        require_superuser(connection, origin)
    loses_right = any(changed.get(name) is False for name in RIGHTS)
    if loses_right and origin.actor_id == user.id:
        raise SelfDemotion
    loses_superuser = changed.get("is_active") is False or changed.get("is_superuser") is False
    if loses_superuser and user.is_superuser and user.is_active:
        _require_another_superuser(connection, user)


def _require_another_superuser(connection: Connection, user: User) -> None:
    others = connection.execute(
        select(func.count())
        .select_from(users)
        .where(users.c.is_superuser, users.c.is_active, users.c.id != user.id)
    ).scalar_one()
    if others == 0:
        raise LastSuperuser
