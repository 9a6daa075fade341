"""Log-ins that wait for their second factor, and proofs by users who are logged in."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, delete, insert, select
from sqlalchemy import update as update_rows

from auth_service import audit
from auth_service.audit import Origin
from auth_service.clock import Clock
from auth_service.errors import (
    AuthError,
    ChallengeNotValid,
    SecondFactorNotActive,
    SecondFactorRequired,
)
from auth_service.passwords.login_throttle import LoginThrottle
from auth_service.second_factor.proof import Proof, refusal_of
from auth_service.second_factor.protection import Protection
from auth_service.tables import second_factor_challenge, users
from auth_service.users import notices
from auth_service.users.accounts import COLUMNS, User

LIFETIME = timedelta(minutes=5)
TRIES = 5


class Completed(NamedTuple):
    """A log-in that has passed both factors, and what its client asked for at obtain."""

    user: User
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """Asks for second factors and checks them.

    Wrong codes count as failed log-ins. So codes are guessed no faster than passwords.

    Attributes:
        issuer: The name under which apps show our codes.
    """

    engine: Engine
    autocommit: Engine
    throttle: LoginThrottle
    protection: Protection
    clock: Clock
    issuer: str

    def challenge(self, user: User, *, options: Mapping[str, Any]) -> SecondFactorRequired:
        """Remember a log-in whose password was right; return the refusal with its challenge.

        Args:
            user: As read before the password was checked: a change of the password ends the
                challenge.
            options: What the client asked for at obtain, as JSON.
        """
        challenge = secrets.token_urlsafe(32)
        with self.autocommit.connect() as connection:
            connection.execute(
                insert(second_factor_challenge).values(
                    digest=_digest(challenge),
                    user_id=user.id,
                    auth_epoch=user.auth_epoch,
                    options=dict(options),
                    tries_left=TRIES,
                    expires_at=self.clock() + LIFETIME,
                )
            )
        return SecondFactorRequired(challenge, expires_in=int(LIFETIME.total_seconds()))

    def complete(self, challenge: str, proof: Proof, *, origin: Origin) -> Completed:
        """Complete a log-in. The challenge is used up.

        Raises:
            ChallengeNotValid: The challenge is unknown, expired or used up, or the account has
                changed since.
            WrongCode: The code or recovery code is wrong or was used before.
            SecondFactorLocked: Too many codes in a row were wrong.
            TooManyAttempts: Too many log-ins have failed for this account or network.
        """
        now, digest = self.clock(), _digest(challenge)
        mine = second_factor_challenge.c.digest == digest
        with self.engine.begin() as connection:
            row = _waiting(connection, digest, now=now)
            if row is None:
                raise ChallengeNotValid
            user = User._make(row[:-1])
            refusal = self._refusal_of(connection, user, proof, origin=origin, now=now)
            if refusal is None:
                connection.execute(delete(second_factor_challenge).where(mine))
            else:
                tries_left = second_factor_challenge.c.tries_left - 1
                connection.execute(
                    update_rows(second_factor_challenge).where(mine).values(tries_left=tries_left)
                )
        if refusal is not None:
            raise refusal
        return Completed(user, row.options)

    def prove(self, user: User, proof: Proof, *, origin: Origin) -> None:
        """Check the second factor of a user who is logged in.

        Raises:
            SecondFactorNotActive: The user has no second factor.
            WrongCode: The code or recovery code is wrong or was used before.
            SecondFactorLocked: Too many codes in a row were wrong.
            TooManyAttempts: Too many log-ins have failed for this account or network.
        """
        if user.second_factor_at is None:
            raise SecondFactorNotActive
        with self.engine.begin() as connection:
            connection.execute(
                select(users.c.id).where(users.c.id == user.id).with_for_update(key_share=True)
            )
            refusal = self._refusal_of(connection, user, proof, origin=origin, now=self.clock())
        if refusal is not None:
            raise refusal

    def _refusal_of(
        self, connection: Connection, user: User, proof: Proof, *, origin: Origin, now: datetime
    ) -> AuthError | None:
        attempt = self.throttle.attempt(user.username, client_ip=origin.client)
        self.throttle.check(connection, attempt, now=now)
        refusal = refusal_of(connection, user, proof, protection=self.protection, now=now)
        action = None
        if refusal is not None:
            self.throttle.record_failure(connection, attempt, now=now)
            action = "second_factor.refused"
        elif proof.recovery_code is not None:
            action = "second_factor.recovery_code_used"
            notices.send(connection, user, notices.RECOVERY_CODE_USED, now=now)
        if action:
            caller = replace(origin, actor_id=user.id)
            audit.record(connection, action, origin=caller, user_id=user.id, now=now)
        return refusal


def delete_expired(connection: Connection, *, now: datetime) -> int:
    """Delete challenges that have expired; returns how many."""
    expired = second_factor_challenge.c.expires_at <= now
    return connection.execute(delete(second_factor_challenge).where(expired)).rowcount


def _waiting(
    connection: Connection, digest: bytes, *, now: datetime
) -> Row[*tuple[Any, ...]] | None:
    # Locks the account's row, then the challenge's: of several attempts at once, each sees the
    # failures that the ones before it have counted. Changes of accounts lock in the same order.
    return connection.execute(
        select(*COLUMNS, second_factor_challenge.c.options)
        .select_from(users)
        .join(second_factor_challenge, second_factor_challenge.c.user_id == users.c.id)
        .where(
            second_factor_challenge.c.digest == digest,
            second_factor_challenge.c.expires_at > now,
            second_factor_challenge.c.tries_left > 0,
            users.c.is_active,
            users.c.auth_epoch == second_factor_challenge.c.auth_epoch,
        )
        .with_for_update(key_share=True)
    ).one_or_none()


def _digest(challenge: str) -> bytes:
    # The challenge is random, so a digest without a key says nothing about it.
    return hashlib.sha256(challenge.encode()).digest()
