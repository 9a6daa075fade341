"""Refresh families: every log-in begins one, every refresh moves its head, a replay ends it.

The head is a family's only unused token, so the whole state is one row and a rotation is one
conditional update: of any number of simultaneous refreshes exactly one finds its token at the
head. The others, and only they, pay for a second look under the row's lock.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, Row, delete, select, update

from auth_service.audit import Origin, record
from auth_service.database import bare_rows, one_row
from auth_service.errors import InvalidCredentials, InvalidToken
from auth_service.tables import refresh_family, users
from auth_service.tokens.jwt import RefreshGrant, Subject, VerifiedClaims

# How many used tokens a family remembers. More refreshes than this within the grace are no
# client that lost an answer.
_REMEMBERED = 32
_PURGE_BATCH = 1000

# The epoch and the activity of the user are compared with those the family began under, so
# that a deactivation or a password change stops it without touching its row.
_ROTATE = f"""
UPDATE refresh_family AS f
SET head_jti = %(successor)s,
    head_iat = %(now)s,
    head_exp = LEAST(%(now)s + %(lifetime)s, f.absolute_exp),
    consumed_jtis = (f.head_jti || f.consumed_jtis)[1:{_REMEMBERED}],
    consumed_at = (%(now)s || f.consumed_at)[1:{_REMEMBERED}]
FROM users AS u
WHERE f.id = %(family)s AND f.head_jti = %(presented)s
  AND f.revoked_at IS NULL AND f.absolute_exp > %(now)s
  AND u.id = f.user_id AND u.is_active AND u.auth_epoch = f.epoch
RETURNING f.head_exp, f.epoch, u.is_staff, u.is_superuser
"""  # noqa: S608 # only our own constant is put in

# Without a row the user was deactivated or changed their password while we hashed.
_START = """
WITH begun AS (
    INSERT INTO refresh_family (id, user_id, epoch, head_jti, head_iat, head_exp, absolute_exp)
    SELECT %(family)s, id, auth_epoch, %(jti)s, %(now)s, %(head_exp)s, %(absolute_exp)s FROM users
    WHERE id = %(user)s AND is_active AND auth_epoch = %(epoch)s
    RETURNING user_id
)
UPDATE users SET last_login_at = %(at)s FROM begun WHERE users.id = begun.user_id
RETURNING users.id
"""


class RevocationReason(StrEnum):
    """Why a family ended before its time."""

    REPLAY = "replay"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a refresh gives: whom the new access token speaks of, and the head to sign."""

    subject: Subject
    grant: RefreshGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFamilies:
    """The families in the database.

    Attributes:
        engine: The pool for transactions.
        statements: The pool for single statements.
        token_lifetime_seconds: Of each refresh token.
        family_lifetime_seconds: Of a family, however often it is refreshed.
        replay_grace_seconds: How long a used token is answered with the current head, for
            clients that lost the first answer or refresh in several tabs at once.
    """

    engine: Engine
    statements: Engine
    token_lifetime_seconds: int
    family_lifetime_seconds: int
    replay_grace_seconds: int

    def start(self, connection: Connection, subject: Subject, *, now: datetime) -> RefreshGrant:
        """Begin a family for a user who has just shown a password, and note when that was.

        Args:
            connection: Where to write.
            subject: As read before the password was hashed.
            now: The moment of the log-in.

        Raises:
            InvalidCredentials: The account was deactivated, or its epoch moved, meanwhile.
        """
        issued_at = int(now.timestamp())
        absolute = issued_at + self.family_lifetime_seconds
        grant = RefreshGrant(
            family_id=uuid4(),
            user_id=subject.user_id,
            auth_epoch=subject.auth_epoch,
            jti=uuid4(),
            issued_at=issued_at,
            expires_at=min(issued_at + self.token_lifetime_seconds, absolute),
        )
        begun = bare_rows(
            connection,
            _START,
            {
                "family": grant.family_id,
                "jti": grant.jti,
                "now": issued_at,
                "at": now,
                "head_exp": grant.expires_at,
                "absolute_exp": absolute,
                "user": subject.user_id,
                "epoch": subject.auth_epoch,
            },
        )
        if not begun:
            raise InvalidCredentials
        return grant

    def rotate(self, presented: VerifiedClaims, *, origin: Origin, now: datetime) -> Rotated:
        """Exchange a refresh token for the next one.

        Args:
            presented: A verified refresh token.
            origin: Where the request came from, for the audit log.
            now: The moment of the refresh.

        Raises:
            InvalidToken: Replayed, revoked, expired, or the user may not log in any more.
        """
        family_id, issued_at, successor = _family_of(presented), int(now.timestamp()), uuid4()
        row = one_row(
            self.statements,
            _ROTATE,
            {
                "family": str(family_id),
                "presented": str(presented.jti),
                "successor": str(successor),
                "now": issued_at,
                "lifetime": self.token_lifetime_seconds,
            },
        )
        if row is None:
            return self._answer_again(presented, origin=origin, now=now)
        expires_at, epoch, is_staff, is_superuser = row
        return Rotated(
            subject=Subject(
                user_id=presented.user_id,
                auth_epoch=epoch,
                is_staff=is_staff,
                is_superuser=is_superuser,
            ),
            grant=RefreshGrant(
                family_id=family_id,
                user_id=presented.user_id,
                auth_epoch=epoch,
                jti=successor,
                issued_at=issued_at,
                expires_at=expires_at,
            ),
        )

    def revoke(self, presented: VerifiedClaims, *, now: datetime) -> None:
        """End the family of a refresh token (RFC 7009 §2.1); ending it twice changes nothing."""
        with self.engine.begin() as connection:
            _end(connection, _family_of(presented), reason=RevocationReason.REVOKED, now=now)

    def is_live(self, presented: VerifiedClaims, *, now: datetime) -> bool:
        """Say whether a refresh with this token would succeed at `now`."""
        with self.statements.connect() as connection:
            row = connection.execute(_family_with_user(_family_of(presented))).first()
        return row is not None and self._may_answer(row, presented, now=now)

    def purge(self, *, now: datetime) -> int:
        """Delete the families whose last token has expired, whole and in small transactions.

        Returns:
            How many were deleted.
        """
        moment, deleted, after = int(now.timestamp()), 0, UUID(int=0)
        while True:
            # Walking the primary key needs no index on the expiry, which every refresh moves.
            with self.engine.begin() as connection:
                batch = connection.scalars(
                    select(refresh_family.c.id)
                    .where(refresh_family.c.id > after)
                    .order_by(refresh_family.c.id)
                    .limit(_PURGE_BATCH)
                ).all()
                if not batch:
                    return deleted
                gone = connection.execute(
                    delete(refresh_family).where(
                        refresh_family.c.id.between(batch[0], batch[-1]),
                        refresh_family.c.head_exp <= moment,
                    )
                )
            deleted, after = deleted + gone.rowcount, batch[-1]

    def _answer_again(self, presented: VerifiedClaims, *, origin: Origin, now: datetime) -> Rotated:
        family_id = _family_of(presented)
        with self.engine.begin() as connection:
            row = connection.execute(
                _family_with_user(family_id).with_for_update(of=refresh_family)
            ).first()
            if row is not None and self._may_answer(row, presented, now=now):
                return _head_of(row)
            if row is not None and row.revoked_at is None and row.head_jti != presented.jti:
                _end(connection, family_id, reason=RevocationReason.REPLAY, now=now)
                record(
                    connection,
                    "refresh.replayed",
                    origin=origin,
                    user_id=row.user_id,
                    detail={"family": str(family_id)},
                    now=now,
                )
        # Raised after the commit: inside, it would roll the revocation back.
        raise InvalidToken

    def _may_answer(
        self, row: Row[*tuple[Any, ...]], presented: VerifiedClaims, *, now: datetime
    ) -> bool:
        moment = int(now.timestamp())
        is_usable = (
            row.revoked_at is None
            and row.absolute_exp > moment
            and row.is_active
            and row.auth_epoch == row.epoch
        )
        return is_usable and (
            row.head_jti == presented.jti or self._was_just_used(row, presented.jti, moment)
        )

    def _was_just_used(self, row: Row[*tuple[Any, ...]], jti: UUID, moment: int) -> bool:
        used = zip(row.consumed_jtis, row.consumed_at, strict=True)
        return any(j == jti and moment - at <= self.replay_grace_seconds for j, at in used)


def _family_of(presented: VerifiedClaims) -> UUID:
    if presented.family_id is None:
        raise InvalidToken
    return presented.family_id


def _family_with_user(family_id: UUID) -> Any:
    return (
        select(
            refresh_family,
            users.c.is_active,
            users.c.is_staff,
            users.c.is_superuser,
            users.c.auth_epoch,
        )
        .join(users, users.c.id == refresh_family.c.user_id)
        .where(refresh_family.c.id == family_id)
    )


def _head_of(row: Row[*tuple[Any, ...]]) -> Rotated:
    return Rotated(
        subject=Subject(
            user_id=row.user_id,
            auth_epoch=row.epoch,
            is_staff=row.is_staff,
            is_superuser=row.is_superuser,
        ),
        grant=RefreshGrant(
            family_id=row.id,
            user_id=row.user_id,
            auth_epoch=row.epoch,
            jti=row.head_jti,
            issued_at=row.head_iat,
            expires_at=row.head_exp,
        ),
    )


def _end(
    connection: Connection, family_id: UUID, *, reason: RevocationReason, now: datetime
) -> None:
    connection.execute(
        update(refresh_family)
        .where(refresh_family.c.id == family_id, refresh_family.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=reason.value)
    )
