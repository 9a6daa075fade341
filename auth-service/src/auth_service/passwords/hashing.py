"""Passwords: argon2id at one set of parameters, one hash at a time in each process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth_service.errors import Overloaded

# OWASP's second recommendation for argon2id: 19 MiB, two passes, one lane.
_ARGON2 = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# Verified in the place of a hash that does not exist, so that the answer takes as long.
DUMMY_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$MOS3fphUvdhi5nJp1JDxug$"
    "gPW7Pi3vswVJUMS7BMYhI1e8ASfsKYmPve4X6P4zC30"
)

_QUEUE_LENGTH = 32
_PATIENCE_SECONDS = 2.0
_RETRY_AFTER_SECONDS = 2

T = TypeVar("T")


def hash_password(password: str) -> str:
    """Hash a password with a fresh salt, in PHC string format (RFC 9106)."""
    return _ARGON2.hash(password)


def verify_password(password: str, *, password_hash: str) -> bool:
    """Say whether `password` belongs to `password_hash`, however wrong both are."""
    try:
        return _ARGON2.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(password_hash: str) -> bool:
    """Say whether a hash was made with other parameters than today's."""
    return _ARGON2.check_needs_rehash(password_hash)


class HashingSlot:
    """The one place in this process where a hash is computed; the others queue for it.

    Forty hashes at once would take a gibibyte and, on the same cores, no less time. Waiting
    holds no thread, so refreshes stay quick during a storm of log-ins.

    Args:
        queue_length: How many may wait.
        patience_seconds: How long each of them waits.
    """

    def __init__(
        self, *, queue_length: int = _QUEUE_LENGTH, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self._queue_length = queue_length
        self._patience_seconds = patience_seconds
        self._free = asyncio.Semaphore(1)
        self._waiting = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hashing")

    @property
    def waiting(self) -> int:
        """How many callers stand in the queue."""
        return self._waiting

    @asynccontextmanager
    async def occupied(self) -> AsyncIterator[None]:
        """Hold the slot.

        Raises:
            Overloaded: The queue is full, or the wait was too long.
        """
        await self._wait()
        try:
            yield
        finally:
            self._free.release()

    async def run(self, work: Callable[[], T]) -> T:
        """Compute while holding the slot."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Let the running hash end and take no more."""
        self._thread.shutdown(cancel_futures=True)

    async def _wait(self) -> None:
        if self._waiting >= self._queue_length:
            raise Overloaded(retry_after_seconds=_RETRY_AFTER_SECONDS)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(retry_after_seconds=_RETRY_AFTER_SECONDS) from None
        finally:
            self._waiting -= 1
