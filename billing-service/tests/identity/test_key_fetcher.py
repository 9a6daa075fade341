"""What happens to tokens when auth-service and its keys misbehave, over real HTTP."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import REGISTRY

from errors import BillingError
from identity.errors import InvalidAccessToken, KeysUnavailable
from identity.jwks_client import FetchFailed, fetch_key_set
from identity.key_disk import KeyDisk
from identity.key_fetcher import COOLDOWN_SECONDS, MAXIMUM_AGE_SECONDS, KeyFetcher
from identity.key_set import thumbprint
from tests.auth_stand_in import AuthStandIn
from tests.signing import signing_key

JWKS = "/.well-known/jwks.json"
LONG = 10.0


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


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
        url = settings.BILLING.auth_internal_url + JWKS
        fetcher = KeyFetcher(
            fetch=lambda etag: fetch_key_set(url, etag=etag),
            disk=disk,
            maximum_waiters=2,
            interval_seconds=3600,
            clock=clock,
        )
        fetchers.append(fetcher)
        fetcher.start()
        if auth_service.jwks_gate.is_set():
            first_fetch_ended(fetcher)
        return fetcher

    yield make
    auth_service.jwks_gate.set()
    for fetcher in fetchers:
        fetcher.stop()


def first_fetch_ended(fetcher: KeyFetcher) -> None:
    """Wait until the fetch of the start has ended."""
    wait_until(lambda: fetcher._attempted_at > float("-inf") and fetcher._fetched is None)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def refusal(fetcher: KeyFetcher, kid: str) -> type[BillingError]:
    """Return how a kid is refused."""
    with pytest.raises(BillingError) as caught:
        fetcher.key(kid)
    return caught.type


def test_a_thousand_unknown_kids_cause_at_most_two_fetches(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn
) -> None:
    """An attacker with made-up kids cannot turn billing into a flood for auth-service."""
    fetcher = start()
    fetcher.key(signing_key().kid)

    refusals = {refusal(fetcher, f"{number:043}") for number in range(1000)}

    assert refusals == {InvalidAccessToken}
    assert auth_service.count("GET", JWKS) <= 2


def test_a_thousand_unknown_kids_while_the_issuer_is_down_ask_it_once(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, clock: Clock
) -> None:
    """With auth-service down they are 503, because a new key cannot be ruled out."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    clock.move(COOLDOWN_SECONDS)
    auth_service.away = True

    refusals = {refusal(fetcher, f"{number:043}") for number in range(1000)}

    assert refusals == {KeysUnavailable}
    assert auth_service.count("GET", JWKS) == 2
    assert fetcher.key(signing_key().kid)


def test_every_token_with_an_unknown_kid_is_counted(start: Callable[[], KeyFetcher]) -> None:
    """The metric jumps when someone tries forged tokens, also when it is one again and again."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    before = _unknown_kids()

    refusals = [refusal(fetcher, "A" * 43) for _ in range(3)]

    assert refusals == [InvalidAccessToken] * 3
    assert _unknown_kids() - before == 3


def _unknown_kids() -> float:
    return REGISTRY.get_sample_value("billing_unknown_kids_total") or 0.0


def test_a_fetch_that_failed_in_an_unforeseen_way_decides_nothing(
    start: Callable[[], KeyFetcher],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug is logged, and a token that could not be judged is 503, not 401."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    clock.move(COOLDOWN_SECONDS)

    def fail(etag: str | None) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr(fetcher, "_fetch", fail)

    assert refusal(fetcher, "A" * 43) is KeysUnavailable
    assert "no such thing" in caplog.text


def test_a_known_kid_does_not_wait_for_a_slow_fetch(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, clock: Clock
) -> None:
    """Users with good tokens notice nothing of a fetch that hangs."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    clock.move(COOLDOWN_SECONDS)
    auth_service.jwks_gate.clear()
    threading.Thread(target=fetcher.fetch_once).start()
    wait_until(lambda: fetcher._fetched is not None)

    assert fetcher.key(signing_key().kid)
    assert fetcher._fetched is not None
    auth_service.jwks_gate.set()


def test_unknown_kids_hold_only_a_few_threads_during_a_slow_fetch(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, clock: Clock
) -> None:
    """The others get 503 at once, so that threads stay free for known keys."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    clock.move(COOLDOWN_SECONDS)
    auth_service.jwks_gate.clear()
    held = [fetcher._waiters.acquire(blocking=False) for _ in range(2)]

    assert held == [True, True]
    assert refusal(fetcher, "A" * 43) is KeysUnavailable
    assert fetcher._fetched is not None
    auth_service.jwks_gate.set()
    for _ in held:
        fetcher._waiters.release()


def test_a_new_key_serves_with_its_first_token(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, clock: Clock
) -> None:
    """A token signed by a key published a moment ago waits for the fetch and passes."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    clock.move(COOLDOWN_SECONDS)
    auth_service.published.append(signing_key(2))

    assert fetcher.key(signing_key(2).kid)


def test_requests_at_once_share_one_fetch(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn
) -> None:
    """A process that starts under load asks auth-service once, and its first users wait."""
    auth_service.jwks_gate.clear()
    fetcher = start()
    gate = threading.Barrier(8)

    def ask() -> object:
        gate.wait(LONG)
        return fetcher.key(signing_key().kid)

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask) for _ in range(8)]
        wait_until(lambda: auth_service.count("GET", JWKS) == 1)
        auth_service.jwks_gate.set()
        keys = [future.result() for future in asking]

    assert len(keys) == 8
    assert auth_service.count("GET", JWKS) == 1


def test_keys_are_fetched_again_without_any_request(
    auth_service: AuthStandIn, disk: KeyDisk
) -> None:
    """A revoked key is refused soon, and an unchanged set costs a 304 only."""
    url = settings.BILLING.auth_internal_url + JWKS
    fetcher = KeyFetcher(
        fetch=lambda etag: fetch_key_set(url, etag=etag),
        disk=disk,
        maximum_waiters=2,
        interval_seconds=0.01,
    )
    fetcher.start()
    wait_until(lambda: auth_service.count("GET", JWKS) >= 3)
    fetcher.stop()

    assert "If-None-Match" in auth_service.requests[-1][2]


def test_a_known_kid_survives_the_issuers_absence_until_the_hard_limit(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, clock: Clock
) -> None:
    """Keys are good for a day without auth-service, and no longer."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    auth_service.away = True

    clock.move(MAXIMUM_AGE_SECONDS - 1)
    assert fetcher.key(signing_key().kid)
    clock.move(COOLDOWN_SECONDS)
    assert refusal(fetcher, signing_key().kid) is KeysUnavailable

    auth_service.away = False
    clock.move(COOLDOWN_SECONDS)
    assert fetcher.key(signing_key().kid)


def test_a_withdrawn_key_is_refused_after_the_next_fetch(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, clock: Clock
) -> None:
    """An emergency revocation takes effect when the set is fetched again."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    auth_service.published[:] = [signing_key(2)]
    clock.move(COOLDOWN_SECONDS)
    fetcher.fetch_once()

    assert refusal(fetcher, signing_key().kid) is InvalidAccessToken


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [null, 1, "x"]}',
        b'{"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "x", "n": 1, "e": 2}]}',
        b'{"keys": [' + b" " * 65_536 + b"]}",
        b"[" * 60_000,
    ],
)
def test_a_bad_set_never_replaces_a_good_one(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, clock: Clock, document: bytes
) -> None:
    """Whatever auth-service's address answers, users with good tokens stay logged in."""
    fetcher = start()
    fetcher.key(signing_key().kid)
    auth_service.jwks_document = document
    clock.move(COOLDOWN_SECONDS)
    fetcher.fetch_once()

    assert auth_service.count("GET", JWKS) == 2
    assert fetcher.key(signing_key().kid)


@pytest.mark.parametrize("flaw", ["short", "kid", "use", "alg", "private"])
def test_a_key_we_would_not_trust_is_left_out(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, flaw: str
) -> None:
    """Only 2048-bit RS256 signature keys that carry their thumbprint verify anything."""
    jwk = dict(signing_key(3, bits=1024 if flaw == "short" else 2048).jwk)
    jwk |= {
        "short": {},
        "kid": {"kid": "B" * 43},
        "use": {"use": "enc"},
        "alg": {"alg": "RS512"},
        "private": {"d": "AQAB"},
    }[flaw]
    auth_service.published = [signing_key(), type(signing_key())(signing_key().private, jwk)]
    fetcher = start()

    assert fetcher.key(signing_key().kid)
    assert refusal(fetcher, jwk["kid"]) is InvalidAccessToken


def test_the_kid_is_the_thumbprint_of_rfc_7638() -> None:
    """The RFC's own example, section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
        "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2"
        "QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh"
        "6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )

    kid = thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})

    assert kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_restart_while_the_issuer_is_down_verifies_from_disk(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, disk: KeyDisk
) -> None:
    """Billing can be deployed during an outage of auth-service; no other account reads the file."""
    start().key(signing_key().kid)
    wait_until(disk.path.exists)
    auth_service.away = True

    assert start().key(signing_key().kid)
    assert disk.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in disk.path.parent.iterdir()] == ["jwks.json"]


def test_a_start_without_issuer_and_without_file_asks_to_come_back(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn
) -> None:
    """Users are not logged out by a 401 because two services start at the same time."""
    auth_service.away = True

    with pytest.raises(KeysUnavailable) as caught:
        start().key(signing_key().kid)

    assert caught.value.headers["Retry-After"] == "5"


def test_a_set_on_disk_that_is_too_old_does_not_serve(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, disk: KeyDisk
) -> None:
    """The hard limit counts from auth-service's last word, not from our start."""
    start().key(signing_key().kid)
    wait_until(disk.path.exists)
    long_ago = time.time() - MAXIMUM_AGE_SECONDS - 1
    os.utime(disk.path, (long_ago, long_ago))
    auth_service.away = True

    assert refusal(start(), signing_key().kid) is KeysUnavailable


def test_a_file_that_others_may_write_is_ignored(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, disk: KeyDisk
) -> None:
    """Another account on the machine cannot slip a key of its own in."""
    start().key(signing_key().kid)
    wait_until(disk.path.exists)
    disk.path.chmod(0o666)
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
    start: Callable[[], KeyFetcher],
    auth_service: AuthStandIn,
    clock: Clock,
    disk: KeyDisk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Running out of space leaves the old file whole, no half one, and the new keys in use.

    The old file does not pass for fresh, and makes way as soon as there is space again.
    """
    fetcher = start()
    fetcher.key(signing_key().kid)
    wait_until(disk.path.exists)
    stored = disk.path.read_bytes()
    os.utime(disk.path, (1_000_000_000, 1_000_000_000))

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    def fetch_again() -> None:
        clock.move(60)
        fetcher.fetch_once()

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        auth_service.published[:] = [signing_key(2)]
        clock.move(COOLDOWN_SECONDS)

        assert fetcher.key(signing_key(2).kid)
        fetch_again()
        assert disk.path.read_bytes() == stored
        assert disk.path.stat().st_mtime == 1_000_000_000
        assert [path.name for path in disk.path.parent.iterdir()] == ["jwks.json"]

    fetch_again()
    assert disk.path.read_bytes() == auth_service.jwks()


def test_redirects_are_not_followed(auth_service: AuthStandIn) -> None:
    """The keys come from one fixed address, whatever that address answers."""
    url = settings.BILLING.auth_internal_url + "/moved"

    with pytest.raises(FetchFailed, match="status 302"):
        fetch_key_set(url, etag=None)
