"""Keeps auth-service's keys at hand: served from memory, refreshed behind the requests' back."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from identity import metrics
from identity.errors import InvalidAccessToken, KeysUnavailable
from identity.key_disk import KeyDisk
from identity.key_fetch import FetchedKeySet, FetchFailed
from identity.key_set import BadKeySet, parse_key_set
from identity.recent import RecentlyUnknown

logger = logging.getLogger(__name__)

SOFT_TTL_SECONDS = 300.0
HARD_TTL_SECONDS = 24 * 60 * 60.0
COOLDOWN_SECONDS = 5.0
WAIT_SECONDS = 1.0
_SAVE_AGE_EVERY_SECONDS = 60.0

Fetch = Callable[[str | None], FetchedKeySet | None]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One state of the key set; replaced as a whole, so that reading it needs no lock."""

    keys: Mapping[str, RSAPublicKey]
    document: bytes
    etag: str | None
    confirmed_at: float
    stale_at: float

    @property
    def dead_at(self) -> float:
        return self.confirmed_at + HARD_TTL_SECONDS


_NOTHING = _Snapshot(MappingProxyType({}), b"", None, float("-inf"), float("-inf"))


class KeyCache:
    """Answers `key(kid)` at once for known kids, whatever state auth-service is in.

    Invariants: one fetch at a time; no fetch within `COOLDOWN_SECONDS` of the last one's start;
    a bad set never replaces a good one; the thread of a fetch is started when it is needed, so a
    process forked after import has its own.
    """

    def __init__(
        self,
        *,
        fetch: Fetch,
        disk: KeyDisk,
        maximum_waiters: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty; the disk is read when the first key is asked for.

        Args:
            fetch: Gets the set newer than an ETag, or None when it is unchanged.
            disk: Where the last good set outlives the process.
            maximum_waiters: Threads that unknown kids may hold at the same time.
            now: A clock that never goes back.
        """
        self._fetch = fetch
        self._disk = disk
        self._now = now
        self._snapshot = _NOTHING
        self._lock = threading.Lock()
        self._flight: threading.Event | None = None
        self._attempted_at = float("-inf")
        self._last_fetch_failed = False
        self._waiters = threading.BoundedSemaphore(maximum_waiters)
        self._unknown = RecentlyUnknown(now=now)
        self._disk_read = False
        self._saved_at = float("-inf")

    def key(self, kid: str) -> RSAPublicKey:
        """Return the verification key with this thumbprint.

        Raises:
            InvalidAccessToken: auth-service's current set has no such key.
            KeysUnavailable: Nobody can say: the set is too old or missing and cannot be fetched.
        """
        snapshot = self._current()
        now = self._now()
        if now >= snapshot.stale_at:
            self.refresh()
        if now < snapshot.dead_at and (key := snapshot.keys.get(kid)) is not None:
            return key
        return self._key_after_a_fetch(kid)

    def refresh(self) -> None:
        """Start a fetch in the background, unless one is under way or was just tried."""
        with self._lock:
            now = self._now()
            if self._flight is not None or now - self._attempted_at < COOLDOWN_SECONDS:
                return
            self._attempted_at = now
            self._flight = threading.Event()
        try:
            threading.Thread(target=self._fly, name="key-set-fetch", daemon=True).start()
        except RuntimeError:
            # The system gives no more threads now. A flight that never lands would be the last.
            logger.exception("key set not fetched")
            self._land(failed=True)

    def _current(self) -> _Snapshot:
        if not self._disk_read:
            with self._lock:
                if not self._disk_read:
                    self._read_disk()
                    self._disk_read = True
        return self._snapshot

    def _key_after_a_fetch(self, kid: str) -> RSAPublicKey:
        if kid in self._unknown:
            raise _unknown_kid()
        self.refresh()
        self._wait_for_the_flight()
        # Read before the snapshot: a flight that lands in between must not make us sure of less.
        decided = self._flight is None and not self._last_fetch_failed
        snapshot = self._snapshot
        if self._now() < snapshot.dead_at:
            if (key := snapshot.keys.get(kid)) is not None:
                return key
            if decided:
                self._unknown.add(kid)
                raise _unknown_kid()
        raise KeysUnavailable

    def _wait_for_the_flight(self) -> None:
        flight = self._flight
        # Unknown kids may hold a few threads and no more, so that known ones always find one.
        # An empty cache serves nobody anyway: then everybody may wait.
        if flight is None:
            return
        if not self._snapshot.keys:
            flight.wait(WAIT_SECONDS)
        elif self._waiters.acquire(blocking=False):
            try:
                flight.wait(WAIT_SECONDS)
            finally:
                self._waiters.release()

    def _fly(self) -> None:
        failed = True
        try:
            self._accept(self._fetch(self._snapshot.etag))
            failed = False
        except FetchFailed as error:
            logger.warning("key set not fetched", extra={"reason": str(error)})
        except Exception:
            # Nobody else would hear of a bug in this thread; the next fetch may fare better.
            logger.exception("key set not fetched")
        finally:
            self._land(failed=failed)

    def _land(self, *, failed: bool) -> None:
        if failed:
            metrics.KEY_SET_FETCHES.labels(outcome="failed").inc()
        # Whoever sees no flight must find its outcome.
        self._last_fetch_failed = failed
        with self._lock:
            landed, self._flight = self._flight, None
        if landed is not None:
            landed.set()

    def _accept(self, fetched: FetchedKeySet | None) -> None:
        now = self._now()
        previous = self._snapshot
        if fetched is None:
            keys, document, etag = previous.keys, previous.document, previous.etag
            outcome = "unchanged"
        else:
            keys, document, etag = fetched.keys, fetched.document, fetched.etag
            outcome = "replaced" if document != previous.document else "unchanged"
        self._snapshot = _Snapshot(keys, document, etag, now, now + _soft_ttl())
        self._unknown.clear()
        metrics.KEY_SET_FETCHES.labels(outcome=outcome).inc()
        metrics.KEY_SET_CONFIRMED.set_to_current_time()
        self._store(document, changed=outcome == "replaced", now=now)

    def _store(self, document: bytes, *, changed: bool, now: float) -> None:
        if changed:
            self._disk.save(document)
        elif now - self._saved_at >= _SAVE_AGE_EVERY_SECONDS:
            self._disk.confirm(document)
        else:
            return
        self._saved_at = now

    def _read_disk(self) -> None:
        stored = self._disk.load()
        if stored is None:
            return
        try:
            keys = parse_key_set(stored.document)
        except BadKeySet as error:
            logger.warning("key set file ignored", extra={"reason": str(error)})
            return
        confirmed_at = self._now() - stored.age_seconds
        # Stale at once: it serves from the first request on while a fresh one is fetched.
        self._snapshot = _Snapshot(keys, stored.document, None, confirmed_at, float("-inf"))


def _unknown_kid() -> InvalidAccessToken:
    metrics.UNKNOWN_KIDS.inc()
    return InvalidAccessToken("unknown kid")


def _soft_ttl() -> float:
    # Spread, so that a fleet started together does not fetch together.
    return SOFT_TTL_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - no secret depends on it
