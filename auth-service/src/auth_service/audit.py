"""The audit log: who changed what, when and from where. It never holds a password or a token."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select

from auth_service.tables import audit_event

_LONGEST_USER_AGENT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who makes a change and from where.

    Attributes:
        actor_id: The acting user; None for a service or the command line.
        client: The acting user's IP address, or the name of the service or command.
        user_agent: The header User-Agent as it was sent; empty for a service or command.
    """

    actor_id: UUID | None = None
    client: str
    user_agent: str = ""


def record(
    connection: Connection,
    action: str,
    *,
    origin: Origin,
    user_id: UUID,
    now: datetime,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write an event, in the transaction of the change that it describes.

    Args:
        connection: The transaction of the change.
        action: Such as `user.deactivated`.
        origin: Who makes the change.
        user_id: The account that changes.
        now: When it changes.
        detail: What else to keep, as JSON. No name or e-mail address: the log outlives the account.
    """
    connection.execute(
        insert(audit_event).values(
            at=now,
            actor_id=origin.actor_id,
            source=origin.client,
            action=action,
            user_id=user_id,
            detail=detail_of(origin, **(detail or {})),
        )
    )


def detail_of(origin: Origin, **members: object) -> dict[str, object]:
    """Return the column `detail`: what an event adds, and the user agent if one was sent."""
    user_agent = shorten_user_agent(origin.user_agent)
    return {**members, "user_agent": user_agent} if user_agent else members


def shorten_user_agent(sent: str) -> str:
    """Return at most 200 characters of a header that anyone can fill with anything."""
    # Control characters and those that turn the direction of text could forge what staff read.
    shown = "".join(character if character.isprintable() else " " for character in sent)
    return " ".join(shown.split())[:_LONGEST_USER_AGENT]


def events(
    connection: Connection, *, user_id: UUID | None, before: int | None, limit: int
) -> list[Row[*tuple[Any, ...]]]:
    """Read events, newest first.

    Args:
        user_id: Only events of this account.
        before: Only events with a smaller id.
        limit: The most events to return.
    """
    query = select(audit_event).order_by(audit_event.c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(audit_event.c.user_id == user_id)
    if before is not None:
        query = query.where(audit_event.c.id < before)
    return list(connection.execute(query))
