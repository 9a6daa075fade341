"""What happens to tokens when auth-service and its keys misbehave, over real HTTP."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from prometheus_client import REGISTRY

from identity.errors import InvalidAccessToken, KeysUnavailable
from identity.jwks_client import FetchFailed, fetch_key_set
from identity.key_disk import KeyDisk
from identity.key_fetcher import COOLDOWN_SECONDS, MAXIMUM_AGE_SECONDS, KeyFetcher
from tests.auth_stand_in import AuthStandIn
from tests.identity.key_fetching import JWKS, LONG, Clock, new_fetcher, refusal, wait_until
from tests.signing import signing_key


def test_a_thousand_unknown_kids_cause_at_most_two_fetches(
    serving: KeyFetcher, auth_service: AuthStandIn
) -> None:
    """An attacker with made-up kids cannot turn billing into a flood for auth-service."""
    refusals = {refusal(serving, f"{number:043}") for number in range(1000)}

    assert refusals == {InvalidAccessToken}
    assert auth_service.count("GET", JWKS) <= 2


def test_a_thousand_unknown_kids_while_the_issuer_is_down_ask_it_once(
    serving: KeyFetcher, auth_service: AuthStandIn
) -> None:
    """With auth-service down they are 503, because a new key cannot be ruled out."""
    auth_service.away = True

    refusals = {refusal(serving, f"{number:043}") for number in range(1000)}

    assert refusals == {KeysUnavailable}
    assert auth_service.count("GET", JWKS) == 2
    assert serving.key(signing_key().kid)


def test_every_token_with_an_unknown_kid_is_counted(serving: KeyFetcher) -> None:
    """The metric jumps when someone tries forged tokens, also when it is one again and again."""
    before = _unknown_kids()

    refusals = [refusal(serving, "A" * 43) for _ in range(3)]

    assert refusals == [InvalidAccessToken] * 3
    assert _unknown_kids() - before == 3


def _unknown_kids() -> float:
    return REGISTRY.get_sample_value("billing_unknown_kids_total") or 0.0


def test_a_fetch_that_failed_in_an_unforeseen_way_decides_nothing(
    serving: KeyFetcher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug is logged, and a token that could not be judged is 503, not 401."""

    def fail(etag: str | None) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr(serving, "_fetch", fail)

    assert refusal(serving, "A" * 43) is KeysUnavailable
    assert "no such thing" in caplog.text


def test_a_known_kid_does_not_wait_for_a_slow_fetch(
    serving: KeyFetcher, auth_service: AuthStandIn
) -> None:
    """Users with good tokens notice nothing of a fetch that hangs."""
    auth_service.jwks_gate.clear()
    threading.Thread(target=serving.fetch_once).start()
    wait_until(lambda: serving._fetched is not None)

    assert serving.key(signing_key().kid)
    assert serving._fetched is not None
    auth_service.jwks_gate.set()


def test_unknown_kids_hold_only_a_few_threads_during_a_slow_fetch(
    serving: KeyFetcher, auth_service: AuthStandIn
) -> None:
    """The others get 503 at once, so that threads stay free for known keys."""
    auth_service.jwks_gate.clear()
    held = [serving._waiters.acquire(blocking=False) for _ in range(2)]

    assert held == [True, True]
    assert refusal(serving, "A" * 43) is KeysUnavailable
    assert serving._fetched is not None
    auth_service.jwks_gate.set()
    for _ in held:
        serving._waiters.release()


def test_a_new_key_serves_with_its_first_token(
    serving: KeyFetcher, auth_service: AuthStandIn
) -> None:
    """A token signed by a key published a moment ago waits for the fetch and passes."""
    auth_service.published.append(signing_key(2))

    assert serving.key(signing_key(2).kid)


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
    fetcher = new_fetcher(disk, interval_seconds=0.01)
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
    serving: KeyFetcher, auth_service: AuthStandIn
) -> None:
    """An emergency revocation takes effect when the set is fetched again."""
    auth_service.published[:] = [signing_key(2)]
    serving.fetch_once()

    assert refusal(serving, signing_key().kid) is InvalidAccessToken


def test_redirects_are_not_followed(auth_service: AuthStandIn) -> None:
    """The keys come from one fixed address, whatever that address answers."""
    url = settings.BILLING.auth_internal_url + "/moved"

    with pytest.raises(FetchFailed, match="status 302"):
        fetch_key_set(url, etag=None)
