"""Checks a code or a recovery code. Each is accepted once, however many requests send it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy import update as update_rows

from auth_service.errors import AuthError, SecondFactorLocked, SecondFactorNotActive, WrongCode
from auth_service.second_factor import codes
from auth_service.second_factor.protection import Protection
from auth_service.tables import recovery_code, second_factor
from auth_service.users.accounts import User

# NIST SP 800-63B §3.2.2: at most 100 failures in a row. The throttle slows them down before.
REFUSED_IN_A_ROW = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One of the two: six digits of the app, or a recovery code as typed."""

    code: str | None = None
    recovery_code: str | None = None


def refusal_of(
    connection: Connection, user: User, proof: Proof, *, protection: Protection, now: datetime
) -> AuthError | None:
    """Use up a proof; return why it is refused, or None if it is accepted.

    The refusal is returned so that the transaction that counts it can commit.

    Args:
        connection: The transaction. It holds the lock of the account's row, so attempts of one
            account follow each other.
        user: The account that is to be proved.
        proof: What was typed.
    """
    row = connection.execute(
        select(second_factor).where(second_factor.c.user_id == user.id)
    ).one_or_none()
    if row is None:
        return SecondFactorNotActive()
    accepted: dict[str, object] | None
    if proof.recovery_code is not None:
        accepted = _use_recovery_code(connection, user, proof.recovery_code, protection=protection)
    elif row.refused_codes >= REFUSED_IN_A_ROW:
        return SecondFactorLocked()
    else:
        accepted = _use_code(row.secret, row.last_step, user, proof, protection=protection, now=now)
    mine = update_rows(second_factor).where(second_factor.c.user_id == user.id)
    if accepted is None:
        connection.execute(mine.values(refused_codes=second_factor.c.refused_codes + 1))
        return WrongCode()
    connection.execute(mine.values(refused_codes=0, last_used_at=now, **accepted))
    return None


def _use_code(
    encrypted: bytes,
    last_step: int,
    user: User,
    proof: Proof,
    *,
    protection: Protection,
    now: datetime,
) -> dict[str, object] | None:
    secret = protection.decrypt(encrypted, user_id=user.id)
    step = codes.step_of(proof.code or "", secret=secret, now=now)
    if step is None or step <= last_step:
        return None
    # Encrypted again, so that a secret moves to the newest key when it is used.
    return {"last_step": step, "secret": protection.encrypt(secret, user_id=user.id)}


def _use_recovery_code(
    connection: Connection, user: User, typed: str, *, protection: Protection
) -> dict[str, object] | None:
    digests = protection.digests(codes.normal_form(typed), user_id=user.id)
    used = connection.execute(
        delete(recovery_code).where(
            recovery_code.c.user_id == user.id, recovery_code.c.digest.in_(digests)
        )
    )
    return {} if used.rowcount else None
