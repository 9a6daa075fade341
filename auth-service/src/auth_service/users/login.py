"""Logging in: throttle, hash, and one answer for every reason to refuse."""

import asyncio
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine, update

from auth_service.clock import Clock
from auth_service.errors import InvalidCredentials, WrongPassword
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


@dataclass(slots=True, kw_only=True)
class LogIn:
    """Checks names and passwords.

    Attributes:
        failures_seen: Counts this process's failures: an attempt that waited for the hashing
            slot asks the throttle again if one happened meanwhile, so that a burst sent at
            once gets no more tries than the same passwords one after the other.
    """

    engine: Engine
    statements: Engine
    slot: HashingSlot
    throttle: LoginThrottle
    clock: Clock
    failures_seen: int = 0

    async def authenticate(self, username: str, password: str, *, source: str) -> User:
        """Find the account that a name and a password belong to.

        Unknown, inactive and wrong take the same steps and as long: the password is hashed
        either way. No transaction is open meanwhile.

        Args:
            username: As typed.
            password: As typed.
            source: The client's address.

        Raises:
            InvalidCredentials: One and the same for all three.
            TooManyAttempts: The throttle is closed for this name or source.
            Overloaded: Too many are logging in at once.
        """
        attempt = self.throttle.attempt(username, source=source)
        seen = self.failures_seen
        found = await asyncio.to_thread(self._admit, attempt, username)
        user, password_hash = found or (None, DUMMY_HASH)
        if user is not None and not user.is_active:
            password_hash = DUMMY_HASH
        async with self.slot.occupied():
            if seen != self.failures_seen:
                await asyncio.to_thread(self._check, attempt)
            check = partial(verify_password, password, password_hash=password_hash)
            is_right = await self.slot.run(check)
            if user is None or not user.is_active or not is_right:
                # Counted while the slot is held: the next attempt sees it.
                self.failures_seen += 1
                await asyncio.to_thread(self._record_failure, attempt)
                raise InvalidCredentials
            if needs_rehash(password_hash):
                renewed = await self.slot.run(partial(hash_password, password))
                await asyncio.to_thread(self._replace_hash, user, password_hash, renewed)
        return user

    async def confirm(self, user: User, password: str, *, source: str) -> None:
        """Check the present password of a user who is logged in already.

        Raises:
            WrongPassword: Counted like a failed log-in: a stolen access token is no way to
                guess the password.
            TooManyAttempts: The throttle is closed for this name or source.
            Overloaded: Too many are logging in at once.
        """
        try:
            await self.authenticate(user.username, password, source=source)
        except InvalidCredentials:
            raise WrongPassword from None

    def _admit(self, attempt: Attempt, username: str) -> tuple[User, str] | None:
        with self.statements.connect() as connection:
            self.throttle.check(connection, attempt, now=self.clock())
            return find_with_hash(connection, username)

    def _check(self, attempt: Attempt) -> None:
        with self.statements.connect() as connection:
            self.throttle.check(connection, attempt, now=self.clock())

    def _record_failure(self, attempt: Attempt) -> None:
        with self.engine.begin() as connection:
            self.throttle.record_failure(connection, attempt, now=self.clock())

    def _replace_hash(self, user: User, old: str, new: str) -> None:
        # Compare and swap: a password changed meanwhile must not come back.
        with self.engine.begin() as connection:
            connection.execute(
                update(users)
                .where(users.c.id == user.id, users.c.password_hash == old)
                .values(password_hash=new)
            )
