"""Makes a fetcher of auth-service's keys, moves its clock, and waits for its thread."""

import threading
import time
from collections.abc import Callable

import pytest
from django.conf import settings

from errors import BillingError
from identity.jwks_client import fetch_key_set
from identity.key_disk import KeyDisk
from identity.key_fetcher import KeyFetcher

JWKS = "/.well-known/jwks.json"
LONG = 10.0


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


def new_fetcher(
    disk: KeyDisk, *, interval_seconds: float, clock: Callable[[], float] = time.monotonic
) -> KeyFetcher:
    """Make a fetcher that asks auth-service's stand-in and lets two threads wait."""
    url = settings.BILLING.auth_internal_url + JWKS
    return KeyFetcher(
        fetch=lambda etag: fetch_key_set(url, etag=etag),
        disk=disk,
        maximum_waiters=2,
        interval_seconds=interval_seconds,
        clock=clock,
    )


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
