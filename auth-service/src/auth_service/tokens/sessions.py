"""A user's own sessions: each is a refresh family, seen from outside."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, select, update

from auth_service import audit
from auth_service.audit import Origin
from auth_service.errors import SessionNotFound
from auth_service.tables import refresh_family, users
from auth_service.tokens.refresh_families import RevocationReason

LONGEST_LIST = 100


class Session(NamedTuple):
    """One session of a user.

    Fields:
        created_at: When the user logged in; None if an earlier release started it.
        last_used_at: When its latest token was issued, by the log-in or a refresh.
        user_agent: The program that logged in; None if it did not say so.
        client_ip: The address that logged in; None if an earlier release started it.
        current: Whether it is the session that asks.
    """

    id: UUID
    created_at: datetime | None
    last_used_at: datetime
    user_agent: str | None
    client_ip: str | None
    current: bool


def live_sessions(
    connection: Connection, user_id: UUID, *, current_id: UUID | None, now: datetime
) -> Sequence[Session]:
    """Return the sessions that can still be refreshed: the current one first, then the latest used.

    There are at most `LONGEST_LIST`.
    """
    rows = connection.execute(
        select(refresh_family)
        .where(*_live(user_id, now=now))
        .order_by((refresh_family.c.id == current_id).desc(), refresh_family.c.head_iat.desc())
        .limit(LONGEST_LIST)
    )
    return [
        Session(
            id=row.id,
            created_at=row.created_at,
            last_used_at=datetime.fromtimestamp(row.head_iat, UTC),
            user_agent=row.user_agent or None,
            client_ip=row.client_ip,
            current=row.id == current_id,
        )
        for row in rows
    ]


def end(
    connection: Connection, session_id: UUID, *, user_id: UUID, origin: Origin, now: datetime
) -> None:
    """End one session of a user, in a transaction.

    Raises:
        SessionNotFound: It has ended, or it is not a session of this user.
    """
    if not _revoke(connection, refresh_family.c.id == session_id, user_id=user_id, now=now):
        raise SessionNotFound
    audit.record(
        connection,
        "session.ended",
        origin=origin,
        user_id=user_id,
        detail={"session": str(session_id), "reason": "ended"},
        now=now,
    )


def end_others(
    connection: Connection, current_id: UUID, *, user_id: UUID, origin: Origin, now: datetime
) -> None:
    """End all sessions of a user but one, in a transaction."""
    ended = _revoke(connection, refresh_family.c.id != current_id, user_id=user_id, now=now)
    if ended:
        audit.record(
            connection,
            "session.ended",
            origin=origin,
            user_id=user_id,
            detail={"sessions": ended, "reason": "others_ended"},
            now=now,
        )


def _revoke(
    connection: Connection, which: ColumnElement[bool], *, user_id: UUID, now: datetime
) -> int:
    revoked = connection.execute(
        update(refresh_family)
        .where(*_live(user_id, now=now), which)
        .values(revoked_at=now, revoked_reason=RevocationReason.ENDED.value)
    )
    return revoked.rowcount


def _live(user_id: UUID, *, now: datetime) -> Sequence[ColumnElement[bool]]:
    # Sessions of an earlier epoch ended with it, though their rows were not touched.
    epoch = select(users.c.auth_epoch).where(users.c.id == user_id).scalar_subquery()
    return (
        refresh_family.c.user_id == user_id,
        refresh_family.c.revoked_at.is_(None),
        refresh_family.c.epoch == epoch,
        # The head never outlives the family.
        refresh_family.c.head_exp > int(now.timestamp()),
    )
