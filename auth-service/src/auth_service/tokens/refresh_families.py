"""Refresh families: a log-in starts one, each refresh replaces its head, a replay revokes it.

The head is the family's only unused token. So the whole state is one row, and a refresh is one
conditional UPDATE: of several simultaneous refreshes with the same token, exactly one finds its
token at the head. The others read the row again under its lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, Row, delete, select, update

from auth_service import audit, queries
from auth_service.audit import Origin
from auth_service.errors import InvalidAudience, InvalidCredentials, InvalidToken
from auth_service.tables import refresh_family, users
from auth_service.tokens.jwt import RefreshGrant, Subject, VerifiedClaims

_DELETE_BATCH_SIZE = 1000


class RevocationReason(StrEnum):
    """Why a family was revoked."""

    REPLAY = "replay"
    REVOKED = "revoked"
    ENDED = "ended"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The result of a refresh: the user of the new access token, and the refresh token to sign."""

    subject: Subject
    grant: RefreshGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFamilies:
    """The families in the database.

    Attributes:
        engine: The pool for transactions.
        autocommit: The pool for single statements.
        token_lifetime_seconds: Of each refresh token.
        family_lifetime_seconds: Of a family, however often it is refreshed.
        replay_grace_seconds: How long a used token still returns the current head, for clients
            that lost the first response or refresh in several tabs at once.
        max_sessions_per_user: How many families a user has at once; a further log-in ends the one
            that was not used for the longest time.
        default_audience: What a family without an audience of its own is for.
    """

    engine: Engine
    autocommit: Engine
    token_lifetime_seconds: int
    family_lifetime_seconds: int
    replay_grace_seconds: int
    max_sessions_per_user: int
    default_audience: Sequence[str]

    def start(
        self,
        connection: Connection,
        subject: Subject,
        *,
        origin: Origin,
        method: str,
        audience: Sequence[str] | None = None,
        lifetime_seconds: int | None = None,
        now: datetime,
    ) -> RefreshGrant:
        """Start a family after a log-in, set the user's last log-in, and record it.

        Args:
            connection: With or without a transaction.
            subject: The user, as read before the password was hashed.
            origin: From where the user logs in.
            method: How, for the audit log: such as `password`.
            audience: The services that access tokens can be for; None for the default ones.
            lifetime_seconds: Of the first refresh token; None for that of all others.
            now: The time of the log-in.

        Raises:
            InvalidCredentials: The account was deactivated, or its epoch moved, since it was read.
        """
        issued_at = int(now.timestamp())
        absolute_exp = issued_at + self.family_lifetime_seconds
        lifetime_seconds = lifetime_seconds or self.token_lifetime_seconds
        grant = RefreshGrant(
            family_id=uuid4(),
            user_id=subject.user_id,
            auth_epoch=subject.auth_epoch,
            jti=uuid4(),
            issued_at=issued_at,
            expires_at=min(issued_at + lifetime_seconds, absolute_exp),
            audience=audience,
        )
        is_started = queries.start_family(
            connection,
            family_id=grant.family_id,
            user_id=grant.user_id,
            auth_epoch=grant.auth_epoch,
            jti=grant.jti,
            issued_at=issued_at,
            expires_at=grant.expires_at,
            absolute_exp=absolute_exp,
            user_agent=audit.shorten_user_agent(origin.user_agent),
            client_ip=origin.client,
            detail=audit.detail_of(origin, session=str(grant.family_id), method=method),
            audience=audience,
            max_sessions=self.max_sessions_per_user,
            now=now,
        )
        if not is_started:
            raise InvalidCredentials
        return grant

    def rotate(
        self,
        presented: VerifiedClaims,
        *,
        origin: Origin,
        audience: Sequence[str] = (),
        now: datetime,
    ) -> Rotated:
        """Exchange a refresh token for the next one.

        Args:
            presented: A verified refresh token.
            origin: Who sent it, for the audit log if it is a replay.
            audience: The services that the access token is asked for; empty for all that the
                family was granted.
            now: The time of the refresh.

        Raises:
            InvalidToken: The token was replayed, the family was revoked or has expired, or the
                user may no longer log in.
            InvalidAudience: The family was not granted this audience. The token can be used again.
        """
        family_id, issued_at, successor = _family_of(presented), int(now.timestamp()), uuid4()
        rotated = queries.rotate_family(
            self.autocommit,
            family_id,
            presented_jti=presented.jti,
            successor_jti=successor,
            now=issued_at,
            lifetime_seconds=self.token_lifetime_seconds,
            audience=audience,
            default_audience=self.default_audience,
        )
        if rotated is None:
            return self._return_head_or_revoke(presented, origin=origin, audience=audience, now=now)
        return Rotated(
            subject=Subject(
                user_id=presented.user_id,
                auth_epoch=rotated.epoch,
                is_staff=rotated.is_staff,
                is_superuser=rotated.is_superuser,
            ),
            grant=RefreshGrant(
                family_id=family_id,
                user_id=presented.user_id,
                auth_epoch=rotated.epoch,
                jti=successor,
                issued_at=issued_at,
                expires_at=rotated.head_exp,
                audience=rotated.audience,
            ),
        )

    def revoke(self, presented: VerifiedClaims, *, origin: Origin, now: datetime) -> None:
        """Revoke the family of a refresh token (RFC 7009 §2.1). Repeating it changes nothing."""
        family_id = _family_of(presented)
        with self.engine.begin() as connection:
            if _revoke(connection, family_id, reason=RevocationReason.REVOKED, now=now):
                audit.record(
                    connection,
                    "session.ended",
                    origin=origin,
                    user_id=presented.user_id,
                    detail={"session": str(family_id), "reason": "log_out"},
                    now=now,
                )

    def is_live(self, presented: VerifiedClaims, *, now: datetime) -> bool:
        """Say whether a refresh with this token would succeed at `now`."""
        with self.autocommit.connect() as connection:
            row = connection.execute(_family_with_user(_family_of(presented))).first()
        return row is not None and self._accepts(row, presented, now=now)

    def delete_expired(self, *, now: datetime) -> int:
        """Delete the families whose last token has expired, in small transactions.

        Returns:
            How many were deleted.
        """
        timestamp, deleted, after = int(now.timestamp()), 0, UUID(int=0)
        while True:
            # In the order of the primary key: an index on `head_exp` would have to be updated by
            # every refresh.
            with self.engine.begin() as connection:
                batch = connection.scalars(
                    select(refresh_family.c.id)
                    .where(refresh_family.c.id > after)
                    .order_by(refresh_family.c.id)
                    .limit(_DELETE_BATCH_SIZE)
                ).all()
                if not batch:
                    return deleted
                result = connection.execute(
                    delete(refresh_family).where(
                        refresh_family.c.id.between(batch[0], batch[-1]),
                        refresh_family.c.head_exp <= timestamp,
                    )
                )
            deleted, after = deleted + result.rowcount, batch[-1]

    def _return_head_or_revoke(
        self,
        presented: VerifiedClaims,
        *,
        origin: Origin,
        audience: Sequence[str],
        now: datetime,
    ) -> Rotated:
        family_id = _family_of(presented)
        with self.engine.begin() as connection:
            row = connection.execute(
                _family_with_user(family_id).with_for_update(of=refresh_family)
            ).first()
            if row is not None and self._accepts(row, presented, now=now):
                granted = self.default_audience if row.audience is None else row.audience
                if not set(audience) <= set(granted):
                    raise InvalidAudience
                return _head_of(row)
            if row is not None and row.revoked_at is None and row.head_jti != presented.jti:
                _revoke(connection, family_id, reason=RevocationReason.REPLAY, now=now)
                audit.record(
                    connection,
                    "refresh.replayed",
                    origin=origin,
                    user_id=row.user_id,
                    detail={"family": str(family_id)},
                    now=now,
                )
        # After the commit: raised inside, it would roll the revocation back.
        raise InvalidToken

    def _accepts(
        self, row: Row[*tuple[Any, ...]], presented: VerifiedClaims, *, now: datetime
    ) -> bool:
        timestamp = int(now.timestamp())
        is_usable = (
            row.revoked_at is None
            and row.absolute_exp > timestamp
            and row.is_active
            and row.auth_epoch == row.epoch
        )
        return is_usable and (
            row.head_jti == presented.jti or self._is_within_grace(row, presented.jti, timestamp)
        )

    def _is_within_grace(self, row: Row[*tuple[Any, ...]], jti: UUID, timestamp: int) -> bool:
        used = zip(row.consumed_jtis, row.consumed_at, strict=True)
        return any(
            used_jti == jti and timestamp - used_at <= self.replay_grace_seconds
            for used_jti, used_at in used
        )


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
            audience=row.audience,
        ),
    )


def _revoke(
    connection: Connection, family_id: UUID, *, reason: RevocationReason, now: datetime
) -> bool:
    revoked = connection.execute(
        update(refresh_family)
        .where(refresh_family.c.id == family_id, refresh_family.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=reason.value)
    )
    return revoked.rowcount == 1
