"""A user as this service knows one, and how one is found."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, or_, select

from auth_service.database import bare_rows
from auth_service.errors import UserNotFound
from auth_service.passwords.login_throttle import normalised
from auth_service.tables import feed_position, users
from auth_service.tokens.jwt import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account, without its password hash.

    Attributes:
        auth_epoch: Tokens of an older epoch are dead.
        version: Grows with every change; what If-Match compares.
        change_seq: The account's place in the feed of changes.
    """

    id: UUID
    username: str
    email: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    auth_epoch: int
    version: int
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None
    deleted_at: datetime | None
    change_seq: int

    @property
    def subject(self) -> Subject:
        """The user as tokens speak of one."""
        return Subject(
            user_id=self.id,
            auth_epoch=self.auth_epoch,
            is_staff=self.is_staff,
            is_superuser=self.is_superuser,
        )


_NAMES = tuple(field.name for field in fields(User))
COLUMNS = tuple(users.c[name] for name in _NAMES)

# Every log-in and every token that is shown to us ends in one of these two.
_GET = f"SELECT {', '.join(_NAMES)} FROM users WHERE id = %(id)s AND deleted_at IS NULL"  # noqa: S608 # our own names
_FIND = f"""
SELECT {", ".join(_NAMES)}, password_hash FROM users
WHERE username_key = %(key)s AND deleted_at IS NULL
"""  # noqa: S608 # the same


def user_of(row: Row[*tuple[Any, ...]]) -> User:
    """Make a user of a row that has at least `COLUMNS`."""
    values = row._mapping  # noqa: SLF001 # SQLAlchemy's documented access by name
    return User(**{column.name: values[column.name] for column in COLUMNS})


def get(connection: Connection, user_id: UUID) -> User:
    """Read one account.

    Raises:
        UserNotFound: Never there, or deleted.
    """
    found = bare_rows(connection, _GET, {"id": user_id})
    if not found:
        raise UserNotFound
    return _user_of_bare(found[0])


def find_with_hash(connection: Connection, username: str) -> tuple[User, str] | None:
    """Look an account up by name for a log-in, with its password hash."""
    found = bare_rows(connection, _FIND, {"key": normalised(username)})
    return (_user_of_bare(found[0]), found[0][-1]) if found else None


def _user_of_bare(row: tuple[Any, ...]) -> User:
    return User(**dict(zip(_NAMES, row, strict=False)))


def page(connection: Connection, *, search: str, after: UUID | None, limit: int) -> Sequence[User]:
    """List accounts in the order of their ids.

    Args:
        connection: Where to read.
        search: Part of a username or e-mail address; empty for all.
        after: The last id of the page before.
        limit: At most so many.
    """
    query = select(*COLUMNS).where(users.c.deleted_at.is_(None)).order_by(users.c.id).limit(limit)
    if search:
        query = query.where(
            or_(
                users.c.username_key.contains(normalised(search), autoescape=True),
                users.c.email.icontains(search, autoescape=True),
            )
        )
    if after is not None:
        query = query.where(users.c.id > after)
    return [user_of(row) for row in connection.execute(query)]


def feed_start(connection: Connection, after: int) -> int:
    """Say where a reader of the feed goes on.

    Whoever has read further than the feed has come knows numbers of a database that an older
    backup replaced. They are given out again for other changes, so it has to read everything.

    Args:
        connection: Where to read.
        after: The last number the reader knows.
    """
    newest: int = connection.execute(select(feed_position.c.seq)).scalar_one()
    return after if after <= newest else 0


def changes_after(connection: Connection, seq: int, *, limit: int) -> Sequence[User]:
    """Read the feed: every account whose latest change comes after `seq`, in that order."""
    query = (
        select(*COLUMNS).where(users.c.change_seq > seq).order_by(users.c.change_seq).limit(limit)
    )
    return [user_of(row) for row in connection.execute(query)]
