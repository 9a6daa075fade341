"""A fetcher of keys on a clock that the test moves, over real HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from identity.key_disk import KeyDisk
from identity.key_fetcher import COOLDOWN_SECONDS, KeyFetcher
from tests.auth_stand_in import AuthStandIn
from tests.identity.key_fetching import Clock, first_fetch_ended, new_fetcher, wait_until
from tests.signing import signing_key


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless it is moved."""
    return Clock()


@pytest.fixture
def disk(tmp_path: Path) -> KeyDisk:
    """An empty place for the file."""
    return KeyDisk(tmp_path / "state" / "jwks.json")


@pytest.fixture
def start(
    clock: Clock, disk: KeyDisk, auth_service: AuthStandIn
) -> Iterator[Callable[[], KeyFetcher]]:
    """Start a process's fetcher; called twice, it is a restart. It fetches when it is woken."""
    fetchers: list[KeyFetcher] = []

    def make() -> KeyFetcher:
        fetcher = new_fetcher(disk, interval_seconds=3600, clock=clock)
        fetchers.append(fetcher)
        fetcher.start()
        if auth_service.jwks_gate.is_set():
            first_fetch_ended(fetcher)
        return fetcher

    yield make
    auth_service.jwks_gate.set()
    for fetcher in fetchers:
        fetcher.stop()


@pytest.fixture
def serving(start: Callable[[], KeyFetcher], clock: Clock) -> KeyFetcher:
    """A fetcher that has the keys and may ask for them again."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    clock.move(COOLDOWN_SECONDS)
    return fetcher


@pytest.fixture
def stored(start: Callable[[], KeyFetcher], disk: KeyDisk) -> Path:
    """The file with the keys that an earlier process left."""
    start().key(signing_key().kid)
    wait_until(disk.path.exists)
    return disk.path
