"""One-time tokens: what a link in a mail is good for, once and for a short time.

A token is an HMAC of its row's id. The table has its hash, and the worker derives the token when
it sends the mail; so neither the database nor a backup of it holds a token that works.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, or_, select
from sqlalchemy import update as update_rows

from auth_service.errors import OneTimeTokenNotValid
from auth_service.tables import one_time_token, users

# How long a used or expired token is kept, so that support can see that there was one.
_KEEP = timedelta(days=7)


class Purpose(StrEnum):
    """What a token allows; stored in the database."""

    SIGN_UP = "sign_up"
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 # a name, no password
    CHANGE_EMAIL = "change_email"


LIFETIMES: Mapping[Purpose, timedelta] = {
    Purpose.SIGN_UP: timedelta(hours=24),
    Purpose.VERIFY_EMAIL: timedelta(hours=24),
    Purpose.RESET_PASSWORD: timedelta(hours=1),
    Purpose.CHANGE_EMAIL: timedelta(hours=1),
}


class OneTimeToken(NamedTuple):
    """A token as stored.

    Fields:
        user_id: None for a sign-up.
        email: Where the mail went.
    """

    id: UUID
    user_id: UUID | None
    email: str
    expires_at: datetime


class Owner(NamedTuple):
    """The account of a token, and the `auth_epoch` with which the token ends."""

    user_id: UUID
    auth_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeTokens:
    """Issues tokens and uses them up.

    Attributes:
        secret: Key of the HMACs. With a new secret, mails that are not sent yet are given up.
    """

    secret: bytes = field(repr=False)

    def issue(
        self,
        connection: Connection,
        purpose: Purpose,
        *,
        email: str,
        owner: Owner | None,
        now: datetime,
        lifetime: timedelta | None = None,
    ) -> OneTimeToken:
        """Issue a token, which ends the earlier ones for the same purpose.

        Args:
            email: Where its mail goes.
            owner: None for a sign-up; then the address stands for the account.
            lifetime: Default: that of the purpose.
        """
        is_same = (
            one_time_token.c.user_id == owner.user_id
            if owner
            else and_(
                one_time_token.c.user_id.is_(None),
                func.lower(one_time_token.c.email) == func.lower(email),
            )
        )
        connection.execute(
            update_rows(one_time_token)
            .where(one_time_token.c.purpose == purpose, is_same, _is_unused(now))
            .values(expires_at=now)
        )
        token_id = uuid4()
        row = connection.execute(
            insert(one_time_token)
            .values(
                id=token_id,
                token_hash=_hash(self._derive(token_id)),
                purpose=purpose,
                user_id=owner.user_id if owner else None,
                auth_epoch=owner.auth_epoch if owner else None,
                email=email,
                created_at=now,
                expires_at=now + (lifetime or LIFETIMES[purpose]),
            )
            .returning(*_COLUMNS)
        ).one()
        return OneTimeToken._make(row)

    def for_link(
        self, connection: Connection, token_id: UUID, *, now: datetime
    ) -> tuple[Purpose, str] | None:
        """Derive a token for its link; None if it cannot be used any more."""
        token = self._derive(token_id)
        query = select(one_time_token.c.purpose).where(
            one_time_token.c.id == token_id,
            # Differs if the secret was changed meanwhile.
            one_time_token.c.token_hash == _hash(token),
            _is_usable(now),
        )
        purpose = connection.scalar(query)
        return (Purpose(purpose), token) if purpose else None

    def find(
        self, connection: Connection, unverified_token: str, purpose: Purpose, *, now: datetime
    ) -> OneTimeToken:
        """Read a token without using it up.

        Raises:
            OneTimeTokenNotValid: It is unknown, used, expired, replaced by a later one, or its
                user's sessions were ended since.
        """
        query = select(*_COLUMNS).where(_matches(unverified_token, purpose, now=now))
        return _require(connection.execute(query).first())

    def consume(
        self, connection: Connection, unverified_token: str, purpose: Purpose, *, now: datetime
    ) -> OneTimeToken:
        """Use a token up, in the transaction of what it allows: if that fails, it is still good.

        Raises:
            OneTimeTokenNotValid: As for `find`. Of several uses at once, all but one.
        """
        statement = (
            update_rows(one_time_token)
            .where(_matches(unverified_token, purpose, now=now))
            .values(used_at=now)
            .returning(*_COLUMNS)
        )
        return _require(connection.execute(statement).first())

    def _derive(self, token_id: UUID) -> str:
        digest = hmac.digest(self.secret, token_id.bytes, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def forget(connection: Connection, user_id: UUID) -> None:
    """Delete the tokens of an account, which hold its address."""
    connection.execute(delete(one_time_token).where(one_time_token.c.user_id == user_id))


def delete_expired(connection: Connection, *, now: datetime) -> int:
    """Delete tokens that ended some time ago.

    Returns:
        How many were deleted.
    """
    is_old = one_time_token.c.expires_at <= now - _KEEP
    return connection.execute(delete(one_time_token).where(is_old)).rowcount


_COLUMNS = tuple(one_time_token.c[name] for name in OneTimeToken._fields)


def _matches(unverified_token: str, purpose: Purpose, *, now: datetime) -> ColumnElement[bool]:
    return and_(
        one_time_token.c.token_hash == _hash(unverified_token),
        one_time_token.c.purpose == purpose,
        _is_usable(now),
    )


def _is_usable(now: datetime) -> ColumnElement[bool]:
    # A changed password, a deactivation and "log out everywhere" raise the epoch.
    has_owner = exists().where(
        users.c.id == one_time_token.c.user_id,
        users.c.is_active,
        users.c.auth_epoch == one_time_token.c.auth_epoch,
    )
    return and_(_is_unused(now), or_(one_time_token.c.user_id.is_(None), has_owner))


def _is_unused(now: datetime) -> ColumnElement[bool]:
    return and_(one_time_token.c.used_at.is_(None), one_time_token.c.expires_at > now)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _require(row: Any) -> OneTimeToken:
    if row is None:
        raise OneTimeTokenNotValid
    return OneTimeToken._make(row)
