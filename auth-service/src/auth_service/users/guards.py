"""What even staff may not do to accounts; the caller holds the lock of all writers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from auth_service.audit import Origin
from auth_service.errors import LastSuperuser, SelfDemotion, SuperuserRequired, UserNotFound
from auth_service.tables import users
from auth_service.users.accounts import User, get

RIGHTS = ("is_active", "is_staff", "is_superuser")
# Those that only superusers give.
GRANTS = ("is_staff", "is_superuser")


def get_or_none(connection: Connection, user_id: UUID) -> User | None:
    """Read one account, or nothing where there is none."""
    try:
        return get(connection, user_id)
    except UserNotFound:
        return None


def require_superuser(connection: Connection, origin: Origin) -> None:
    """Let superusers pass, and services that act for nobody.

    Raises:
        SuperuserRequired: The actor is no active superuser.
    """
    if origin.actor_id is None:
        return
    actor = get_or_none(connection, origin.actor_id)
    if actor is None or not (actor.is_active and actor.is_superuser):
        raise SuperuserRequired


def require_reach(connection: Connection, origin: Origin, user: User) -> None:
    """Only superusers touch staff: another's new password would be their rights.

    Raises:
        SuperuserRequired: The actor is none, and the account is another's with power.
    """
    if (user.is_staff or user.is_superuser) and origin.actor_id != user.id:
        require_superuser(connection, origin)


def check_alteration(
    connection: Connection, origin: Origin, user: User, changed: Mapping[str, Any]
) -> None:
    """Check a change of an account's rights.

    Args:
        connection: The change's transaction.
        origin: Who acts.
        user: The account as it is.
        changed: The fields that will differ.

    Raises:
        SuperuserRequired: The account or the right is out of the actor's reach.
        SelfDemotion: The actor would lose a right.
        LastSuperuser: Nobody would be left who can grant rights.
    """
    require_reach(connection, origin, user)
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
