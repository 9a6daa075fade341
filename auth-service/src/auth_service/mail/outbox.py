"""The outbox: mails wait in a table until the worker has sent them.

A mail is written in the transaction of what it reports, so there is never one without the other.
It holds no link: the worker derives the token of a link when it sends the mail.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, func, insert, select, update

from auth_service.tables import mail_outbox

# A worker that dies while it sends a mail holds it for so long. Longer than any sending takes.
LEASE = timedelta(seconds=60)
# What could not be sent within a day would only confuse.
GIVE_UP_AFTER = timedelta(hours=24)
# Sent mails hold names and addresses, so they are not kept longer than support needs them.
KEEP = timedelta(days=7)
_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)


class Mail(NamedTuple):
    """One mail of the outbox.

    Fields:
        id: Also the left part of its Message-ID.
        template: The name of its text in `mails.toml`.
        context: The values of that text. No secret.
        token_id: The one-time token of its link; None for a mail without one.
        attempts: How often it was sent, this time included.
        next_attempt_at: None once it is sent or was given up.
    """

    id: UUID
    template: str
    recipient: str
    context: Mapping[str, Any]
    token_id: UUID | None
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    sent_at: datetime | None
    last_error: str | None


class Backlog(NamedTuple):
    """How the outbox is doing.

    Fields:
        waiting: Mails that are not sent yet.
        oldest: When the oldest of them was written; None without any.
        failed: Mails that were given up and are still kept.
    """

    waiting: int
    oldest: datetime | None
    failed: int


_COLUMNS = tuple(mail_outbox.c[name] for name in Mail._fields)


def enqueue(
    connection: Connection,
    template: str,
    *,
    recipient: str,
    now: datetime,
    context: Mapping[str, object] | None = None,
    user_id: UUID | None = None,
    token_id: UUID | None = None,
) -> None:
    """Write a mail, in the transaction of what it reports.

    Args:
        connection: That transaction.
        template: The name of its text in `mails.toml`.
        recipient: One address.
        now: Becomes its Date.
        context: The values of the text, as JSON. No secret.
        user_id: Whose account it is about; the mail is deleted with it.
        token_id: The one-time token of its link.
    """
    connection.execute(
        insert(mail_outbox).values(
            id=uuid4(),
            template=template,
            recipient=recipient,
            context=dict(context or {}),
            user_id=user_id,
            token_id=token_id,
            created_at=now,
            next_attempt_at=now,
        )
    )


def claim(connection: Connection, *, now: datetime) -> Mail | None:
    """Take the mail that is due longest; no other worker gets it before the lease has ended."""
    due = (
        select(mail_outbox.c.id)
        .where(mail_outbox.c.next_attempt_at <= now)
        .order_by(mail_outbox.c.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(
        update(mail_outbox)
        .where(mail_outbox.c.id == due.scalar_subquery())
        .values(attempts=mail_outbox.c.attempts + 1, next_attempt_at=now + LEASE)
        .returning(*_COLUMNS)
    ).first()
    return Mail._make(row) if row else None


def mark_sent(connection: Connection, mail: Mail, *, now: datetime) -> None:
    """The server has accepted the mail."""
    _finish(connection, mail, sent_at=now, next_attempt_at=None, last_error=None)


def mark_failed(connection: Connection, mail: Mail, *, reason: str) -> None:
    """Give the mail up."""
    _finish(connection, mail, next_attempt_at=None, last_error=reason)


def postpone(connection: Connection, mail: Mail, *, reason: str, now: datetime) -> bool:
    """Let the mail wait for its next attempt: 10 s, three times as long each time, at most an hour.

    Returns:
        False if the mail was given up instead, because it is a day old.
    """
    # Three to the sixth already exceeds the longest pause.
    pause = min(_FIRST_PAUSE * 3 ** min(mail.attempts - 1, 6), _LONGEST_PAUSE)
    if now + pause > mail.created_at + GIVE_UP_AFTER:
        mark_failed(connection, mail, reason=reason)
        return False
    _finish(connection, mail, next_attempt_at=now + pause, last_error=reason)
    return True


def unsaved(template: str, *, recipient: str, now: datetime) -> Mail:
    """Return a mail without a link that is in no outbox, to be sent at once."""
    return Mail(
        id=uuid4(),
        template=template,
        recipient=recipient,
        context={},
        token_id=None,
        created_at=now,
        attempts=1,
        next_attempt_at=None,
        sent_at=None,
        last_error=None,
    )


def retry(connection: Connection, *, now: datetime) -> int:
    """Make mails due that are not sent, unless they are a day old.

    Returns:
        How many.
    """
    is_unsent = mail_outbox.c.sent_at.is_(None)
    is_young = mail_outbox.c.created_at > now - GIVE_UP_AFTER
    statement = update(mail_outbox).where(is_unsent, is_young).values(next_attempt_at=now)
    return connection.execute(statement).rowcount


def latest(connection: Connection, *, limit: int, unsent: bool = False) -> list[Mail]:
    """Read the newest mails, or of those the ones that are not sent."""
    query = select(*_COLUMNS).order_by(mail_outbox.c.created_at.desc()).limit(limit)
    if unsent:
        query = query.where(mail_outbox.c.sent_at.is_(None))
    return [Mail._make(row) for row in connection.execute(query)]


def backlog(connection: Connection) -> Backlog:
    """Count what waits and what was given up."""
    is_waiting = mail_outbox.c.next_attempt_at.is_not(None)
    row = connection.execute(
        select(
            func.count().filter(is_waiting),
            func.min(mail_outbox.c.created_at).filter(is_waiting),
            func.count().filter(~is_waiting, mail_outbox.c.sent_at.is_(None)),
        ).select_from(mail_outbox)
    ).one()
    return Backlog._make(row)


def forget(connection: Connection, user_id: UUID) -> None:
    """Delete the mails about an account, sent or not."""
    connection.execute(delete(mail_outbox).where(mail_outbox.c.user_id == user_id))


def delete_expired(connection: Connection, *, now: datetime) -> int:
    """Delete old mails.

    Returns:
        How many were deleted.
    """
    is_old = mail_outbox.c.created_at <= now - KEEP
    return connection.execute(delete(mail_outbox).where(is_old)).rowcount


def _finish(connection: Connection, mail: Mail, **values: Any) -> None:
    # Only the claim that is still held: after a lease has ended, another worker has the mail.
    connection.execute(
        update(mail_outbox)
        .where(mail_outbox.c.id == mail.id, mail_outbox.c.attempts == mail.attempts)
        .values(**values)
    )
