"""Checks usernames and passwords, with the same response for every reason to refuse."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine, update

from auth_service.clock import Clock
from auth_service.errors import InvalidCredentials, TooManyAttempts, WrongPassword
from auth_service.passwords.hashing import (
    DUMMY_HASH,
    HashingSlot,
    hash_password,
    needs_rehash,
    verify_password,
)
from auth_service.passwords.login_throttle import Attempt, LoginThrottle
from auth_service.tables import users
from auth_service.users.accounts import User, find_with_hash
from auth_service.users.refused_log_ins import Reason, RefusedLogIns

# `RefusedLogIns.note` with the client filled in.
Note = Callable[..., None]


@dataclass(slots=True, kw_only=True)
class LogIn:
    """Checks usernames and passwords.

    Attributes:
        refused: Writes refusals to the audit log.
        failures_seen: Failed log-ins in this process. An attempt that waited for the hashing slot
            checks the throttle again if this number has changed. So attempts that are sent at
            once get no more guesses than attempts one after the other.
    """

    engine: Engine
    autocommit: Engine
    slot: HashingSlot
    throttle: LoginThrottle
    clock: Clock
    refused: RefusedLogIns
    failures_seen: int = 0

    async def authenticate(
        self, username: str, password: str, *, client_ip: str, user_agent: str = ""
    ) -> User:
        """Return the account with this username and password.

        An unknown username, an inactive account and a wrong password take the same steps and the
        same time: a password is hashed in each case. No transaction is open meanwhile.

        Raises:
            InvalidCredentials: There is no such account, it is inactive, or the password is
                wrong.
            TooManyAttempts: Too many log-ins have failed for this username or network, or too many
                of this username are waiting.
            Overloaded: Too many log-ins are waiting.
        """
        attempt = self.throttle.attempt(username, client_ip=client_ip)
        seen = self.failures_seen
        note = partial(self.refused.note, client_ip=client_ip, user_agent=user_agent)
        found = await asyncio.to_thread(self._check_and_find, attempt, username, note)
        user, password_hash = found or (None, DUMMY_HASH)
        if user is not None and not user.is_active:
            password_hash = DUMMY_HASH
        async with self.slot.occupied(account_key=attempt.account_key):
            if seen != self.failures_seen:
                await asyncio.to_thread(self._check, attempt, user, note)
            check = partial(verify_password, password, password_hash=password_hash)
            is_right = await self.slot.run(check)
            if user is None or not user.is_active or not is_right:
                # Counted while the slot is held, so that the next attempt sees it.
                self.failures_seen += 1
                await asyncio.to_thread(self._record_failure, attempt)
                note(_reason(user), user_id=user.id if user else None)
                raise InvalidCredentials
            if needs_rehash(password_hash):
                renewed = await self.slot.run(partial(hash_password, password))
                await asyncio.to_thread(self._replace_hash, user, password_hash, renewed)
        return user

    async def confirm(self, user: User, password: str, *, client_ip: str) -> None:
        """Check the current password of a user who has an access token.

        A wrong password counts as a failed log-in. So a stolen access token does not help to guess
        the password.

        Raises:
            WrongPassword: The password is wrong.
            TooManyAttempts: Too many log-ins have failed for this username or network.
            Overloaded: Too many log-ins are waiting.
        """
        try:
            await self.authenticate(user.username, password, client_ip=client_ip)
        except InvalidCredentials:
            raise WrongPassword from None

    def _check_and_find(
        self, attempt: Attempt, username: str, note: Note
    ) -> tuple[User, str] | None:
        with self.autocommit.connect() as connection:
            try:
                self.throttle.check(connection, attempt, now=self.clock())
            except TooManyAttempts:
                # For the audit log alone, and for known and unknown names alike.
                user, _ = find_with_hash(connection, username) or (None, "")
                note(Reason.TOO_MANY_ATTEMPTS, user_id=user.id if user else None)
                raise
            return find_with_hash(connection, username)

    def _check(self, attempt: Attempt, user: User | None, note: Note) -> None:
        with self.autocommit.connect() as connection:
            try:
                self.throttle.check(connection, attempt, now=self.clock())
            except TooManyAttempts:
                note(Reason.TOO_MANY_ATTEMPTS, user_id=user.id if user else None)
                raise

    def _record_failure(self, attempt: Attempt) -> None:
        with self.engine.begin() as connection:
            self.throttle.record_failure(connection, attempt, now=self.clock())

    def _replace_hash(self, user: User, old: str, new: str) -> None:
        # Only if it is still the old hash: the password may have been changed meanwhile.
        with self.engine.begin() as connection:
            connection.execute(
                update(users)
                .where(users.c.id == user.id, users.c.password_hash == old)
                .values(password_hash=new)
            )


def _reason(user: User | None) -> Reason:
    if user is None:
        return Reason.UNKNOWN_USER
    return Reason.WRONG_PASSWORD if user.is_active else Reason.INACTIVE_USER
