"""How a running worker notices changed keys, and what it does when they are broken."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auth_service.keys import KeyRing, KeyStore, KeyTimings

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
TIMINGS = KeyTimings(access_lifetime_seconds=300, refresh_lifetime_seconds=86_400)


class Stopwatch:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Read it."""
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    """Stand at zero."""
    return Stopwatch()


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    """Hold an active key and a spare."""
    made = KeyStore(tmp_path / "keys", passphrase=None, environment="staging", timings=TIMINGS)
    made.ensure(now=NOW, spare=True)
    return made


@pytest.fixture
def ring(store: KeyStore, tmp_path: Path, stopwatch: Stopwatch) -> KeyRing:
    """Be a worker that started at noon."""
    return KeyRing(tmp_path / "keys", passphrase=None, now=NOW, monotonic=stopwatch)


def test_a_running_worker_notices_a_revocation_within_two_seconds(
    ring: KeyRing, store: KeyStore, stopwatch: Stopwatch
) -> None:
    """In an emergency no worker has to be restarted."""
    leaked = ring.signing_key(NOW).kid
    store.revoke(leaked, now=NOW)

    stopwatch.seconds = 2

    assert ring.signing_key(NOW).kid != leaked
    assert ring.verification_key(leaked, now=NOW, for_refresh=True) is None
    assert leaked not in ring.jwks(NOW).kids


def test_all_workers_change_to_the_next_key_at_the_same_moment(
    ring: KeyRing, store: KeyStore, stopwatch: Stopwatch
) -> None:
    """The clock decides, not the moment at which a worker read the manifest."""
    manifest = store.rotate(now=NOW)
    stopwatch.seconds = 2
    turn = manifest.records[1].sign_at
    assert turn

    assert ring.signing_key(turn - timedelta(microseconds=1)).kid == manifest.records[0].kid
    assert ring.signing_key(turn).kid == manifest.records[1].kid


def test_the_signing_key_is_parsed_once(
    ring: KeyRing, store: KeyStore, stopwatch: Stopwatch
) -> None:
    """Requests and reloads get the same key object: parsing is expensive."""
    first = ring.signing_key(NOW)
    store.rotate(now=NOW)
    stopwatch.seconds = 2

    assert ring.signing_key(NOW) is first


def test_the_disk_is_read_once_a_second_at_most(
    ring: KeyRing, store: KeyStore, stopwatch: Stopwatch
) -> None:
    """A thousand requests a second do not read the disk a thousand times."""
    ring.signing_key(NOW)
    store.rotate(now=NOW)

    stopwatch.seconds = 0.9
    assert len(ring.jwks(NOW).kids) == 2
    stopwatch.seconds = 1.0
    assert len(ring.jwks(NOW).kids) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b'{"version": 1, "keys": [{"kid'),
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
    ],
    ids=["truncated", "readable by others", "removed"],
)
def test_a_broken_manifest_keeps_the_previous_keys_in_use_and_sets_the_alarm(
    ring: KeyRing, stopwatch: Stopwatch, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    """Users can still log in, and an operator is alerted."""
    kid = ring.signing_key(NOW).kid
    damage(tmp_path / "keys" / "manifest.json")
    stopwatch.seconds = 2

    assert ring.signing_key(NOW).kid == kid
    assert ring.alarm
    assert ring.age_seconds == 2


def test_the_alarm_ends_when_the_manifest_is_corrected(
    ring: KeyRing, store: KeyStore, stopwatch: Stopwatch, tmp_path: Path
) -> None:
    """A corrected file is picked up without a restart, even if it looks as it did before."""
    path = tmp_path / "keys" / "manifest.json"
    good = path.read_bytes()
    path.write_bytes(b"{}")
    stopwatch.seconds = 2
    ring.signing_key(NOW)
    assert ring.alarm is not None
    assert "manifest" in ring.alarm

    path.write_bytes(good)
    stopwatch.seconds = 4
    ring.signing_key(NOW)

    assert ring.alarm is None
    assert ring.age_seconds == 0


def test_the_jwks_and_its_etag_change_with_the_keys_only(
    ring: KeyRing, store: KeyStore, stopwatch: Stopwatch
) -> None:
    """Caches download the set only after a key was added or removed."""
    first = ring.jwks(NOW)
    assert ring.jwks(NOW + timedelta(days=1)) is first

    store.rotate(now=NOW)
    stopwatch.seconds = 2

    assert ring.jwks(NOW).etag != first.etag
