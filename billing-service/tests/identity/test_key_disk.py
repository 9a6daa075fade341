"""Keys on disk: what a process starts with while auth-service cannot be reached."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from identity.errors import KeysUnavailable
from identity.key_disk import KeyDisk
from identity.key_fetcher import MAXIMUM_AGE_SECONDS, KeyFetcher
from tests.auth_stand_in import AuthStandIn
from tests.identity.key_fetching import Clock, refusal, wait_until
from tests.signing import signing_key


def test_a_restart_while_the_issuer_is_down_verifies_from_disk(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, stored: Path
) -> None:
    """Billing can be deployed during an outage of auth-service; no other account reads the file."""
    auth_service.away = True

    assert start().key(signing_key().kid)
    assert stored.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in stored.parent.iterdir()] == ["jwks.json"]


def test_a_start_without_issuer_and_without_file_asks_to_come_back(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn
) -> None:
    """Users are not logged out by a 401 because two services start at the same time."""
    auth_service.away = True

    with pytest.raises(KeysUnavailable) as caught:
        start().key(signing_key().kid)

    assert caught.value.headers["Retry-After"] == "5"


def test_a_set_on_disk_that_is_too_old_does_not_serve(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, stored: Path
) -> None:
    """The hard limit counts from auth-service's last word, not from our start."""
    long_ago = time.time() - MAXIMUM_AGE_SECONDS - 1
    os.utime(stored, (long_ago, long_ago))
    auth_service.away = True

    assert refusal(start(), signing_key().kid) is KeysUnavailable


def test_a_file_that_others_may_write_is_ignored(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, stored: Path
) -> None:
    """Another account on the machine cannot slip a key of its own in."""
    stored.chmod(0o666)
    auth_service.away = True

    assert refusal(start(), signing_key().kid) is KeysUnavailable


@pytest.mark.parametrize("damage", ["garbage", "empty", "folder"])
def test_a_damaged_file_is_ignored(
    start: Callable[[], KeyFetcher], disk: KeyDisk, damage: str
) -> None:
    """A damaged file neither delays requests nor verifies tokens."""
    disk.path.parent.mkdir()
    if damage == "folder":
        disk.path.mkdir()
    else:
        disk.path.write_bytes({"garbage": b"\x00\xff", "empty": b""}[damage])

    assert start().key(signing_key().kid)


def test_an_unwritable_place_is_survived(start: Callable[[], KeyFetcher], disk: KeyDisk) -> None:
    """The folder's path is a file, so nothing can be stored; tokens are still verified."""
    disk.path.parent.write_text("not a folder")

    assert start().key(signing_key().kid)


def test_a_full_disk_keeps_the_last_good_file(
    serving: KeyFetcher,
    auth_service: AuthStandIn,
    clock: Clock,
    disk: KeyDisk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without space the new keys are in use, and the old file stays complete and as old as it is.

    It is replaced as soon as there is space again.
    """
    wait_until(disk.path.exists)
    kept = disk.path.read_bytes()
    os.utime(disk.path, (1_000_000_000, 1_000_000_000))

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    def fetch_again() -> None:
        clock.move(60)
        serving.fetch_once()

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        auth_service.published[:] = [signing_key(2)]

        assert serving.key(signing_key(2).kid)
        fetch_again()
        assert disk.path.read_bytes() == kept
        assert disk.path.stat().st_mtime == 1_000_000_000
        assert [path.name for path in disk.path.parent.iterdir()] == ["jwks.json"]

    fetch_again()
    assert disk.path.read_bytes() == auth_service.jwks()
