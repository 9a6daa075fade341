"""What people ask for by mail: a sign-up, a password reset, a verified or a new address.

A request is stored without looking at any account, so it takes the same steps and the same time
whether the address is known or not. The worker then decides which mails follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select

from auth_service import audit
from auth_service.audit import Origin
from auth_service.errors import EmailTaken
from auth_service.mail import outbox
from auth_service.mail.outbox import Backlog
from auth_service.tables import account_request, users
from auth_service.tokens.one_time import OneTimeToken, OneTimeTokens, Owner, Purpose
from auth_service.users.accounts import COLUMNS, User
from auth_service.users.guards import get_or_none
from auth_service.users.notices import as_text

INVITATION_LIFETIME = timedelta(days=7)
# Staff may give several accounts one address; each gets a mail of its own.
_MOST_ACCOUNTS = 5


class SignUp(StrEnum):
    """Who may create an account: staff alone, people whom they invite, or everyone."""

    CLOSED = "closed"
    INVITE = "invite"
    OPEN = "open"


def ask(
    connection: Connection,
    purpose: Purpose,
    *,
    email: str,
    now: datetime,
    user_id: UUID | None = None,
) -> None:
    """Store a request.

    Args:
        email: The address that was typed, or the new one of a change.
        user_id: Whose address is verified or changed.
    """
    connection.execute(
        insert(account_request).values(
            purpose=purpose, email=email, user_id=user_id, created_at=now
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Turns requests into mails."""

    tokens: OneTimeTokens

    def answer_next(self, connection: Connection, *, now: datetime) -> bool:
        """Answer the oldest request; the transaction takes it and writes its mails.

        Returns:
            False if there is none.
        """
        oldest = (
            select(account_request.c.id)
            .order_by(account_request.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = connection.execute(
            delete(account_request)
            .where(account_request.c.id == oldest.scalar_subquery())
            .returning(account_request)
        ).first()
        if row is None:
            return False
        match Purpose(row.purpose):
            case Purpose.SIGN_UP:
                self._sign_up(connection, row.email, now=now)
            case Purpose.RESET_PASSWORD:
                self._reset_password(connection, row.email, now=now)
            case Purpose.VERIFY_EMAIL:
                self._verify_email(connection, row.user_id, row.email, now=now)
            case Purpose.CHANGE_EMAIL:
                self._change_email(connection, row.user_id, row.email, now=now)
        return True

    def invite(self, connection: Connection, email: str, *, origin: Origin, now: datetime) -> None:
        """Write an invitation, which is a sign-up that staff started.

        Raises:
            EmailTaken: An account has this address.
        """
        if _is_in_use(connection, email):
            raise EmailTaken
        token = self.tokens.issue(
            connection,
            Purpose.SIGN_UP,
            email=email,
            owner=None,
            now=now,
            lifetime=INVITATION_LIFETIME,
        )
        _enqueue(connection, "invitation", token, now=now)
        # Without the address, which is personal data: the log outlives the account.
        audit.record(connection, "user.invited", origin=origin, user_id=None, now=now)

    def _sign_up(self, connection: Connection, email: str, *, now: datetime) -> None:
        # Someone who was deactivated does not come back with a new account.
        if not _is_in_use(connection, email):
            token = self.tokens.issue(connection, Purpose.SIGN_UP, email=email, owner=None, now=now)
            _enqueue(connection, "sign_up", token, now=now)
        for user in accounts_with(connection, email):
            token = self._issue(connection, Purpose.RESET_PASSWORD, user, now=now)
            _enqueue(connection, "account_exists", token, user=user, now=now)

    def _reset_password(self, connection: Connection, email: str, *, now: datetime) -> None:
        # No mail to an unknown address: strangers could have us write to anyone.
        for user in accounts_with(connection, email):
            token = self._issue(connection, Purpose.RESET_PASSWORD, user, now=now)
            _enqueue(connection, "reset_password", token, user=user, now=now)

    def _verify_email(
        self, connection: Connection, user_id: UUID, email: str, *, now: datetime
    ) -> None:
        user = get_or_none(connection, user_id)
        if user is None or user.email != email:
            return
        token = self._issue(connection, Purpose.VERIFY_EMAIL, user, now=now)
        _enqueue(connection, "verify_email", token, user=user, now=now)

    def _change_email(
        self, connection: Connection, user_id: UUID, email: str, *, now: datetime
    ) -> None:
        user = get_or_none(connection, user_id)
        if user is None:
            return
        others = [
            other
            for other in accounts_with(connection, email)
            if other.id != user_id and other.email_verified_at
        ]
        for other in others:
            context = {"username": other.username}
            outbox.enqueue(
                connection,
                "email_in_use",
                recipient=other.email,
                now=now,
                context=context,
                user_id=other.id,
            )
        if not others:
            token = self._issue(connection, Purpose.CHANGE_EMAIL, user, email=email, now=now)
            _enqueue(connection, "change_email", token, user=user, now=now)

    def _issue(
        self,
        connection: Connection,
        purpose: Purpose,
        user: User,
        *,
        now: datetime,
        email: str | None = None,
    ) -> OneTimeToken:
        # To the address that the account has, not to the one that was typed: two that are equal
        # without regard to case can be different mailboxes.
        return self.tokens.issue(
            connection,
            purpose,
            email=email or user.email,
            owner=Owner(user.id, user.auth_epoch),
            now=now,
        )


def accounts_with(connection: Connection, email: str) -> Sequence[User]:
    """Return the active accounts with an address: the one that has verified it, or else all."""
    query = (
        select(*COLUMNS)
        .where(_has_address(email), users.c.is_active)
        .order_by(users.c.email_verified_at, users.c.id)
        .limit(_MOST_ACCOUNTS)
    )
    found = [User._make(row) for row in connection.execute(query)]
    return [user for user in found if user.email_verified_at] or found


def _is_in_use(connection: Connection, email: str) -> bool:
    return bool(connection.scalar(select(exists().where(_has_address(email)))))


def _has_address(email: str) -> ColumnElement[bool]:
    return and_(
        func.lower(users.c.email) == func.lower(email),
        # As the index has it.
        users.c.email != "",
        users.c.deleted_at.is_(None),
    )


def backlog(connection: Connection) -> Backlog:
    """Count the requests that no worker has answered yet."""
    counted = select(func.count(), func.min(account_request.c.created_at))
    waiting, oldest = connection.execute(counted.select_from(account_request)).one()
    return Backlog(waiting=waiting, oldest=oldest, failed=0)


def delete_expired(connection: Connection, *, now: datetime) -> int:
    """Delete requests that no worker has answered within a day.

    Returns:
        How many were deleted.
    """
    is_old = account_request.c.created_at <= now - outbox.GIVE_UP_AFTER
    return connection.execute(delete(account_request).where(is_old)).rowcount


def _enqueue(
    connection: Connection,
    template: str,
    token: OneTimeToken,
    *,
    now: datetime,
    user: User | None = None,
) -> None:
    outbox.enqueue(
        connection,
        template,
        recipient=token.email,
        now=now,
        context={
            "username": user.username if user else "",
            "expires_at": as_text(token.expires_at),
        },
        user_id=user.id if user else None,
        token_id=token.id,
    )
