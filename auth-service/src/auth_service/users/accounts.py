"""Reads accounts, and the feed of their changes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, or_, select

from auth_service import queries
from auth_service.errors import UserNotFound
from auth_service.queries import UserRow
from auth_service.tables import feed_position, users
from auth_service.tokens.jwt import Subject
from auth_service.usernames import fold_username


class User(UserRow):
    """One account, without its password hash."""

    __slots__ = ()

    @property
    def subject(self) -> Subject:
        """The user as the subject of an access token."""
        return Subject(
            user_id=self.id,
            auth_epoch=self.auth_epoch,
            is_staff=self.is_staff,
            is_superuser=self.is_superuser,
        )


# For statements whose rows become a User with `User._make`.
COLUMNS = tuple(users.c[name] for name in User._fields)


def get(connection: Connection, user_id: UUID) -> User:
    """Read an account.

    Raises:
        UserNotFound: There is no such account, or it was deleted.
    """
    row = queries.user_by_id(connection, user_id)
    if row is None:
        raise UserNotFound
    return User._make(row)


def get_by_token(connection: Connection, user_id: UUID, *, family_id: UUID | None) -> User:
    """Read the account of a verified token.

    Raises:
        UserNotFound: There is no such account, it was deleted, or the token's session has ended.
    """
    row = queries.user_of_token(connection, user_id, family_id=family_id)
    if row is None:
        raise UserNotFound
    return User._make(row)


def find_with_hash(connection: Connection, username: str) -> tuple[User, str] | None:
    """Read the account with a username, and its password hash."""
    row = queries.user_by_username(connection, fold_username(username))
    return (User._make(row.user), row.password_hash) if row else None


def page(connection: Connection, *, search: str, after: UUID | None, limit: int) -> Sequence[User]:
    """List accounts in the order of their ids.

    Args:
        search: Part of a username or email address; empty for all.
        after: The last id of the previous page.
        limit: The most accounts to return.
    """
    query = select(*COLUMNS).where(users.c.deleted_at.is_(None)).order_by(users.c.id).limit(limit)
    if search:
        query = query.where(
            or_(
                users.c.username_key.contains(fold_username(search), autoescape=True),
                users.c.email.icontains(search, autoescape=True),
            )
        )
    if after is not None:
        query = query.where(users.c.id > after)
    return [User._make(row) for row in connection.execute(query)]


def feed_start(connection: Connection, after: int) -> int:
    """Return the position after which a reader of the feed has to continue.

    A reader that is ahead of the feed knows positions of a database that was replaced by an older
    backup. They are assigned again to other changes, so that reader has to start at zero.

    Args:
        after: The last position that the reader knows.
    """
    newest: int = connection.execute(select(feed_position.c.seq)).scalar_one()
    return after if after <= newest else 0


def changes_after(connection: Connection, position: int, *, limit: int) -> Sequence[User]:
    """Read the accounts whose latest change is after a position, in the order of the changes."""
    query = (
        select(*COLUMNS)
        .where(users.c.change_seq > position)
        .order_by(users.c.change_seq)
        .limit(limit)
    )
    return [User._make(row) for row in connection.execute(query)]
