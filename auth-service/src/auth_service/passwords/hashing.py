"""Password hashes: argon2id, one hash at a time in each process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth_service.errors import Overloaded, TooManyAttempts
from auth_service.passwords import imported
from auth_service.passwords.normalization import normalize

# OWASP's second recommendation for argon2id: 19 MiB, two passes, one lane.
_ARGON2 = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# Verified when there is no account, so that the response takes as long.
DUMMY_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$MOS3fphUvdhi5nJp1JDxug$"
    "gPW7Pi3vswVJUMS7BMYhI1e8ASfsKYmPve4X6P4zC30"
)
# Of accounts without a password. Django's mark for the same.
UNUSABLE = "!"

_QUEUE_LENGTH = 32
# Of 33 places. More log-ins of one account at once leave the rest of the queue to others.
_PLACES_OF_AN_ACCOUNT = 4
_TIMEOUT_SECONDS = 2.0
_RETRY_AFTER_SECONDS = 2

T = TypeVar("T")


def hash_password(password: str) -> str:
    """Hash a password with a fresh salt; returns a PHC string such as `$argon2id$v=19$…`."""
    return _ARGON2.hash(normalize(password))


def verify_password(password: str, *, password_hash: str) -> bool:
    """Compare a password with a hash.

    A malformed hash, and that of an account without a password, match none; that takes as long.
    """
    normal = normalize(password)
    # Hashes of earlier releases, and imported ones, were made from the password as it was typed.
    return _matches(normal, password_hash) or (
        normal != password and _matches(password, password_hash)
    )


def _matches(password: str, password_hash: str) -> bool:
    if imported.is_imported(password_hash):
        return imported.matches(password, password_hash)
    try:
        return _ARGON2.verify(password_hash, password)
    except InvalidHashError:
        # Not the answer, but its time: an account without a password looks like no account.
        with suppress(VerificationError):
            _ARGON2.verify(DUMMY_HASH, password)
        return False
    except VerificationError:
        return False


def needs_rehash(password_hash: str) -> bool:
    """Say whether a hash is of another algorithm, or was made with other parameters."""
    return imported.is_imported(password_hash) or _ARGON2.check_needs_rehash(password_hash)


class HashingSlot:
    """The right to compute a hash in this process; other callers wait in a queue.

    Forty hashes at once would need a gibibyte and, on the same cores, as much time. A waiting
    caller holds no thread, so refreshes stay fast during a burst of log-ins.

    Args:
        queue_length: How many callers may wait.
        timeout_seconds: How long each of them waits.
    """

    def __init__(
        self, *, queue_length: int = _QUEUE_LENGTH, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self._queue_length = queue_length
        self._timeout_seconds = timeout_seconds
        self._free = asyncio.Semaphore(1)
        self._waiting = 0
        self._places: Counter[bytes] = Counter()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hashing")

    @property
    def waiting(self) -> int:
        """How many callers are in the queue."""
        return self._waiting

    @asynccontextmanager
    async def occupied(self, *, account_key: bytes | None = None) -> AsyncIterator[None]:
        """Wait for the slot and hold it.

        Args:
            account_key: Whose log-in it is; an account has four places at once.

        Raises:
            Overloaded: The queue is full, or the wait took too long.
            TooManyAttempts: The account's places are taken.
        """
        with self._place_of(account_key):
            await self._wait()
            try:
                yield
            finally:
                self._free.release()

    async def run(self, work: Callable[[], T]) -> T:
        """Compute in the hashing thread; the caller has to hold the slot."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Wait for the hash that is being computed, and accept no other."""
        self._thread.shutdown(cancel_futures=True)

    @contextmanager
    def _place_of(self, account_key: bytes | None) -> Iterator[None]:
        if account_key is None:
            yield
            return
        if self._places[account_key] >= _PLACES_OF_AN_ACCOUNT:
            raise TooManyAttempts(
                "Too many log-ins of this account at once. Try again in a few seconds.",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )
        self._places[account_key] += 1
        try:
            yield
        finally:
            self._places[account_key] -= 1
            if not self._places[account_key]:
                del self._places[account_key]

    async def _wait(self) -> None:
        if self._waiting >= self._queue_length:
            raise Overloaded(retry_after_seconds=_RETRY_AFTER_SECONDS)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(retry_after_seconds=_RETRY_AFTER_SECONDS) from None
        finally:
            self._waiting -= 1
