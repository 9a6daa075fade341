"""The audit log: who changed what, when and from where. It never holds a password or a token."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, delete, insert, or_, select

from auth_service.tables import audit_event

# There are many of them, and most are of use for weeks. Other events are changes to accounts.
FREQUENT_ACTIONS = ("login.granted", "login.refused", "session.ended")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something to write into the log.

    Attributes:
        action: Such as `user.deactivated`.
        origin: Who makes the change.
        user_id: The account that changes; None if it is not about one account.
        detail: What else to keep, as JSON. No name or e-mail address: the log outlives the account.
    """

    at: datetime
    action: str
    origin: Origin
    user_id: UUID | None
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which events to read: those that match all of these; None matches every event.

    Attributes:
        user_id: Events of this account.
        actor_id: Events that this user caused.
        action: Events of this kind.
        client: Events from this address, or by this service or command.
        since: Events at this time or later.
        until: Events before this time.
    """

    user_id: UUID | None = None
    actor_id: UUID | None = None
    action: str | None = None
    client: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long events are kept.

    Attributes:
        frequent: Log-ins and ends of sessions.
        others: All other events.
    """

    frequent: timedelta = timedelta(days=90)
    others: timedelta = timedelta(days=365)


def record(
    connection: Connection,
    action: str,
    *,
    origin: Origin,
    user_id: UUID | None,
    now: datetime,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write an event, in the transaction of the change that it describes.

    Args:
        connection: The transaction of the change.
        action: Such as `user.deactivated`.
        origin: Who makes the change.
        user_id: The account that changes; None if it is not about one account.
        now: When it changes.
        detail: What else to keep, as JSON. No name or e-mail address: the log outlives the account.
    """
    event = Event(at=now, action=action, origin=origin, user_id=user_id, detail=detail or {})
    record_all(connection, [event])


def record_all(connection: Connection, events: Sequence[Event]) -> None:
    """Write several events by one statement."""
    rows = [
        {
            "at": event.at,
            "actor_id": event.origin.actor_id,
            "source": event.origin.client,
            "action": event.action,
            "user_id": event.user_id,
            "detail": detail_of(event.origin, **event.detail),
        }
        for event in events
    ]
    connection.execute(insert(audit_event).values(rows))


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
    connection: Connection, filters: Filters, *, before: int | None, limit: int
) -> list[Row[*tuple[Any, ...]]]:
    """Read events, newest first.

    Args:
        filters: Which events.
        before: Only events with a smaller id.
        limit: The most events to return.
    """
    columns = audit_event.c
    conditions = [
        compare(column, value)
        for column, compare, value in (
            (columns.user_id, operator.eq, filters.user_id),
            (columns.actor_id, operator.eq, filters.actor_id),
            (columns.action, operator.eq, filters.action),
            (columns.source, operator.eq, filters.client),
            (columns.at, operator.ge, filters.since),
            (columns.at, operator.lt, filters.until),
            (columns.id, operator.lt, before),
        )
        if value is not None
    ]
    query = select(audit_event).where(*conditions).order_by(columns.id.desc()).limit(limit)
    return list(connection.execute(query))


def delete_expired(
    connection: Connection, retention: Retention, *, now: datetime, limit: int
) -> int:
    """Delete at most `limit` events that have been kept long enough, oldest first.

    Returns:
        How many were deleted; fewer than `limit` means that none is left.
    """
    columns = audit_event.c
    is_frequent = columns.action.in_(FREQUENT_ACTIONS)
    oldest = (
        select(columns.id)
        .where(
            or_(
                and_(is_frequent, columns.at < now - retention.frequent),
                and_(~is_frequent, columns.at < now - retention.others),
            ),
            # Lets the index on `at` bound the search.
            columns.at < now - min(retention.frequent, retention.others),
        )
        .order_by(columns.at)
        .limit(limit)
    )
    return connection.execute(delete(audit_event).where(columns.id.in_(oldest))).rowcount
