"""Takes over accounts of another system, a batch in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, Engine, update

from auth_service import audit, queries
from auth_service.audit import Origin
from auth_service.passwords.hashing import UNUSABLE
from auth_service.queries import ImportConflict
from auth_service.tables import feed_position
from auth_service.usernames import fold_username, skeleton
from auth_service.users import changes
from auth_service.users.changes import Change

# Ids of accounts that come without one. The same row gets the same id each time.
_NAMESPACE = UUID("6f0c1f0e-3d0c-4c5e-9a55-0d2a4f1c7b9e")


class Outcome(Enum):
    """What became of an account of the file."""

    IMPORTED = "imported"
    SKIPPED = "skipped"
    USERNAME_TAKEN = "username_taken"
    EMAIL_TAKEN = "email_taken"


@dataclass(frozen=True, kw_only=True)
class ImportedUser:
    """An account of another system, with valid values.

    Attributes:
        password_hash: As `passwords.imported` accepts it; None for an account without a password,
            whose user sets one by mail.
    """

    id: UUID | None = None
    username: str
    email: str = ""
    email_verified: bool = False
    password_hash: str | None = None
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    created_at: datetime | None = None
    last_login_at: datetime | None = None

    @cached_property
    def username_key(self) -> str:
        """What is equal for spellings of one username."""
        return fold_username(self.username)

    @cached_property
    def account_id(self) -> UUID:
        """The account's id: the given one, or one that is derived from the name and the hash.

        So a second import finds the account again, also after its user has logged in, which
        replaces the hash, was renamed or was deleted.
        """
        return self.id or uuid5(_NAMESPACE, f"{self.username_key}\n{self.password_hash or ''}")


def import_batch(
    engine: Engine, batch: Sequence[ImportedUser], *, origin: Origin, now: datetime
) -> dict[UUID, Outcome]:
    """Create the accounts that do not exist, in one transaction; say what became of each, by id.

    No two accounts of a batch may have the same id, username or verified address.

    Usernames that look like another user's are taken over: that rule is for new names.
    """
    with changes.change(engine, origin=origin, now=now) as change:
        seqs = {user.account_id: seq for seq, user in enumerate(batch, start=change.seq)}
        values = [_values(user, seq=seqs[user.account_id], now=now) for user in batch]
        created = queries.import_users(change.connection, values, now=now)
        # Positions of accounts that existed stay unused; without a new account nothing changes.
        newest = max((seqs[user_id] for user_id in created), default=change.seq - 1)
        change.connection.execute(update(feed_position).values(seq=newest))
        if created:
            _log(change, [user for user in batch if user.account_id in created])
        outcomes = dict.fromkeys(created, Outcome.IMPORTED)
        if existing := [user for user in batch if user.account_id not in created]:
            found = check_batch(change.connection, existing)
            if Outcome.IMPORTED in found.values():
                raise RuntimeError("An account was neither created nor in conflict with another.")
            outcomes |= found
        return outcomes


def check_batch(connection: Connection, batch: Sequence[ImportedUser]) -> dict[UUID, Outcome]:
    """Say what would become of each account, by its id, and write nothing."""
    found = queries.import_conflicts(
        connection,
        [
            {
                "id": user.account_id,
                "username_key": user.username_key,
                "email": user.email,
                "email_verified": user.email_verified,
            }
            for user in batch
        ],
    )
    return {conflict.id: _outcome(conflict) for conflict in found}


def _outcome(conflict: ImportConflict) -> Outcome:
    if conflict.is_known:
        return Outcome.SKIPPED
    if conflict.username_taken:
        return Outcome.USERNAME_TAKEN
    return Outcome.EMAIL_TAKEN if conflict.email_taken else Outcome.IMPORTED


def _values(user: ImportedUser, *, seq: int, now: datetime) -> dict[str, Any]:
    return {
        "id": user.account_id,
        "username": user.username,
        "username_key": user.username_key,
        "username_skeleton": skeleton(user.username),
        "email": user.email,
        "email_verified_at": now if user.email_verified else None,
        "password_hash": user.password_hash or UNUSABLE,
        "is_active": user.is_active,
        "is_staff": user.is_staff,
        "is_superuser": user.is_superuser,
        "created_at": user.created_at or now,
        "last_login_at": user.last_login_at,
        "change_seq": seq,
    }


def _log(change: Change, created: Sequence[ImportedUser]) -> None:
    # One event, not one for each account: they would be most of the log.
    detail = {
        "accounts": len(created),
        "staff": sum(user.is_staff for user in created),
        "superusers": sum(user.is_superuser for user in created),
    }
    audit.record(
        change.connection,
        "users.imported",
        origin=change.origin,
        user_id=None,
        now=change.now,
        detail=detail,
    )
