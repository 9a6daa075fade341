"""Password hashes: one at a time, a short queue, and a clear refusal if it is full."""

import asyncio
import threading
import time

import pytest
from argon2 import extract_parameters

from auth_service.errors import Overloaded
from auth_service.passwords.hashing import (
    DUMMY_HASH,
    HashingSlot,
    hash_password,
    needs_rehash,
    verify_password,
)
from auth_service.passwords.policy import objections_to


def test_a_hash_has_the_agreed_parameters() -> None:
    """Argon2id with 19 MiB and two passes. The dummy hash takes as long and matches no password."""
    for password_hash in (hash_password("correct horse battery"), DUMMY_HASH):
        found = extract_parameters(password_hash)
        assert password_hash.startswith("$argon2id$")
        assert (found.memory_cost, found.time_cost, found.parallelism) == (19_456, 2, 1)
        assert not needs_rehash(password_hash)


@pytest.mark.parametrize("password_hash", ["", "!", "$argon2id$v=19$broken", "pbkdf2$1$x"])
def test_a_malformed_hash_matches_nothing(password_hash: str) -> None:
    """The empty hash of a deleted account is refused without an error."""
    assert verify_password("", password_hash=password_hash) is False


def test_one_hash_at_a_time() -> None:
    """Ten callers wait for each other, and each gets its hash."""
    running = 0
    most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    async def call(slot: HashingSlot) -> None:
        async with slot.occupied():
            await slot.run(work)

    async def all_at_once() -> None:
        slot = HashingSlot()
        await asyncio.gather(*(call(slot) for _ in range(10)))
        slot.close()

    asyncio.run(all_at_once())
    assert most == 1


def test_a_full_queue_refuses_at_once() -> None:
    """The fourth of four callers does not wait."""

    async def scenario() -> None:
        slot = HashingSlot(queue_length=2, timeout_seconds=60)
        async with slot.occupied():
            waiting = [asyncio.create_task(_take(slot)) for _ in range(2)]
            await asyncio.sleep(0)
            assert slot.waiting == 2
            with pytest.raises(Overloaded) as caught:
                await _take(slot)
            assert caught.value.retry_after_seconds is not None
        await asyncio.gather(*waiting)
        assert slot.waiting == 0
        slot.close()

    asyncio.run(scenario())


def test_a_wait_ends() -> None:
    """A caller that waited too long is refused and leaves the queue; the next one is served."""

    async def scenario() -> None:
        slot = HashingSlot(timeout_seconds=0.01)
        async with slot.occupied():
            with pytest.raises(Overloaded):
                await _take(slot)
            assert slot.waiting == 0
        await _take(slot)
        slot.close()

    asyncio.run(scenario())


async def _take(slot: HashingSlot) -> None:
    async with slot.occupied():
        pass


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        ("seven77", ["password_too_short"]),
        ("1234567", ["password_too_short"]),
        ("iloveyou1", ["password_too_common"]),
        ("x" * 1024, []),
        ("x" * 1025, ["password_too_long"]),
        ("é" * 513, ["password_too_long"]),
        ("qweqweqwE1", ["password_too_common"]),
        ("  spaces at the ends  ", []),
        ("ARCHIMEDES", ["password_is_username"]),
    ],
)
def test_which_passwords_are_accepted(password: str, codes: list[str]) -> None:
    """Length and a list of common passwords count, but no rules about kinds of characters."""
    found = objections_to(password, username="Archimedes")
    assert [objection.code for objection in found] == codes
