"""Password hashes: one at a time, a short queue, and a clear refusal if it is full."""

import asyncio
import gzip
import threading
import time
from importlib.metadata import distribution

import pytest
from argon2 import PasswordHasher, extract_parameters

from auth_service.errors import Overloaded
from auth_service.passwords.hashing import (
    DUMMY_HASH,
    HashingSlot,
    hash_password,
    needs_rehash,
    verify_password,
)
from auth_service.passwords.policy import MINIMUM_LENGTH, objections_to


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
        ("7fox-tr", ["password_too_short"]),
        ("1234567", ["password_too_short", "password_too_common"]),
        # Characters count, not bytes.
        ("é" * 7, ["password_too_short"]),
        ("é" * 8, []),
        ("x" * 1024, []),
        ("é" * 1024, []),
        ("x" * 1025, ["password_too_long"]),
        # Eighteen characters once it is normalized.
        ("\ufdfa" * 57, ["password_too_long"]),
        (" " * 8, ["password_blank"]),
        ("\u3000\u200b\u00a0 " * 3, ["password_blank"]),
        ("  spaces at the ends  ", []),
        ("qweqweqwE1", ["password_too_common"]),
        ("iloveyou1", ["password_too_common"]),
        ("Pass-Word2026!", ["password_too_common"]),
        ("P@ssw0rd!", ["password_too_common"]),
        ("ARCHIMEDES", ["password_is_username"]),
        ("4rchimedes!", ["password_is_username"]),
        ("Eureka.Siracusa", ["password_is_email"]),
        ("eureka.siracusa@example.org", ["password_is_email"]),
        ("Stripe Assignment", ["password_is_app_name"]),
        ("stripeassignment1", ["password_is_app_name"]),
        ("archimedes of siracusa", []),
        ("correct horse battery", []),
    ],
)
def test_which_passwords_are_accepted(password: str, codes: list[str]) -> None:
    """Length and guesses count, but no rules about kinds of characters."""
    found = objections_to(
        password,
        username="Archimedes",
        email="eureka.siracusa@example.org",
        app_name="Stripe Assignment",
    )
    assert [objection.code for objection in found] == codes


def test_no_common_password_is_accepted() -> None:
    """None of the 20,000 in Django's list, in capitals or with the usual digits either."""
    package = distribution("django").locate_file("django/contrib/auth/common-passwords.txt.gz")
    with gzip.open(str(package), "rt") as lines:
        common = [line.strip() for line in lines]
    assert len(common) > 19_000

    variants = [
        variant
        for password in common[::20]
        for variant in (
            password.upper(),
            password.capitalize(),
            f"{password}1",
            f"{password.title()}123!",
            f"1{password}",
        )
    ]
    accepted = [
        password
        for password in common + variants
        if len(password) >= MINIMUM_LENGTH and not objections_to(password, username="ada")
    ]
    assert accepted == []


@pytest.mark.parametrize(
    "typed", ["caf\u00e9 au lait", "cafe\u0301 au lait", "\uff43af\u00e9\u3000au lait"]
)
def test_a_password_is_the_same_on_every_keyboard(typed: str) -> None:
    """A letter with an accent can be one character or two, and a letter can be a wide one."""
    assert verify_password(typed, password_hash=hash_password("caf\u00e9 au lait"))


def test_a_hash_of_the_characters_as_typed_still_matches() -> None:
    """Earlier releases, and the services that users come from, hashed what was typed."""
    typed = "cafe\u0301 au lait"
    earlier = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(typed)

    assert verify_password(typed, password_hash=earlier)
    assert not verify_password("caf\u00e9 au lait", password_hash=earlier)
