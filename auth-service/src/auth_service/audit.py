"""The audit log: who changed what, when and from where; never a password or a token."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select

from auth_service.tables import audit_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who acts and from where.

    Attributes:
        actor_id: The acting user; None where a service or the command line acts for itself.
        source: The client's address, or the name of the service or command.
    """

    actor_id: UUID | None = None
    source: str


def record(
    connection: Connection,
    action: str,
    *,
    origin: Origin,
    user_id: UUID,
    now: datetime,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write an event in the transaction of the change it tells of, so that neither lies alone."""
    connection.execute(
        insert(audit_event).values(
            at=now,
            actor_id=origin.actor_id,
            source=origin.source,
            action=action,
            user_id=user_id,
            detail=dict(detail or {}),
        )
    )


def events(
    connection: Connection, *, user_id: UUID | None, before: int | None, limit: int
) -> list[Row[*tuple[Any, ...]]]:
    """Read the log backwards.

    Args:
        connection: Where to read.
        user_id: Only what happened to this user.
        before: Only events older than this id.
        limit: At most so many.
    """
    query = select(audit_event).order_by(audit_event.c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(audit_event.c.user_id == user_id)
    if before is not None:
        query = query.where(audit_event.c.id < before)
    return list(connection.execute(query))
