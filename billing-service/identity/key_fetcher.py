"""Keeps auth-service's keys at hand: one thread fetches them, requests read a snapshot."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from identity import metrics
from identity.errors import InvalidAccessToken, KeysUnavailable
from identity.jwks_client import FetchedKeySet, FetchFailed
from identity.key_disk import KeyDisk
from identity.key_set import BadKeySet, parse_key_set

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
# An unknown `kid` is refused without a fetch for so long after the last one: the most that
# made-up tokens can cause is one fetch in this time.
COOLDOWN_SECONDS = 2.0
# How long keys are good without auth-service confirming them.
MAXIMUM_AGE_SECONDS = 24 * 60 * 60.0
WAIT_SECONDS = 1.0
_SAVE_AGE_EVERY_SECONDS = 60.0

Fetch = Callable[[str | None], FetchedKeySet | None]


@dataclass(frozen=True, slots=True)
class KeySnapshot:
    """One state of the key set; replaced as a whole, so that reading it needs no lock."""

    keys: Mapping[str, RSAPublicKey]
    document: bytes
    etag: str | None
    confirmed_at: float


_EMPTY = KeySnapshot(MappingProxyType({}), b"", None, float("-inf"))


class KeyFetcher:
    """Answers `key(kid)` from memory for known kids, whether auth-service can be reached or not.

    A set that cannot be parsed never replaces one that could.

    Args:
        fetch: Gets the set newer than an ETag, or None when it is unchanged.
        disk: Where the last good set outlives the process; it is read here.
        maximum_waiters: Threads that unknown kids may hold at the same time.
        interval_seconds: Pause between two fetches.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        fetch: Fetch,
        disk: KeyDisk,
        maximum_waiters: int,
        interval_seconds: float = INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._disk = disk
        self._interval_seconds = interval_seconds
        self._clock = clock
        self.snapshot = self._stored_snapshot()
        self._saved_at = float("-inf")
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        # Set when the fetch that is due or under way has ended; None between fetches.
        self._fetched: threading.Event | None = None
        self._attempted_at = float("-inf")
        self._waiters = threading.BoundedSemaphore(maximum_waiters)
        self._thread = threading.Thread(target=self._run, name="key-fetcher", daemon=True)

    def start(self) -> None:
        """Fetch now and from then on at every interval, in a thread of this process."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after a fetch that is under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def key(self, kid: str) -> RSAPublicKey:
        """Return the verification key with this thumbprint.

        Raises:
            InvalidAccessToken: auth-service confirmed within the last seconds that it has no such
                key.
            KeysUnavailable: auth-service cannot be asked, and the key is unknown or too old.
        """
        snapshot = self.snapshot
        if (key := self._good_key(snapshot, kid)) is not None:
            return key
        if not self._is_current(snapshot):
            self._wait_for_fetch(has_keys=bool(snapshot.keys))
            snapshot = self.snapshot
            if (key := self._good_key(snapshot, kid)) is not None:
                return key
        if self._is_current(snapshot):
            metrics.UNKNOWN_KIDS.inc()
            raise InvalidAccessToken("unknown kid")
        raise KeysUnavailable

    def fetch_once(self) -> None:
        """Ask auth-service for its keys and replace the snapshot if it answers."""
        with self._lock:
            self._wake.clear()
            self._attempted_at = self._clock()
            fetched = self._fetched = self._fetched or threading.Event()
        failed = True
        try:
            self._accept(self._fetch(self.snapshot.etag))
            failed = False
        except FetchFailed as error:
            logger.warning("Key set not fetched", extra={"reason": str(error)})
        except Exception:
            # A bug must not end the thread: the next fetch may succeed.
            logger.exception("Key set not fetched")
        finally:
            if failed:
                metrics.KEY_SET_FETCHES.labels(outcome="failed").inc()
            with self._lock:
                self._fetched = None
            fetched.set()

    def _run(self) -> None:
        while not self._stopping:
            self.fetch_once()
            self._wake.wait(self._interval_seconds)

    def _good_key(self, snapshot: KeySnapshot, kid: str) -> RSAPublicKey | None:
        if self._clock() - snapshot.confirmed_at >= MAXIMUM_AGE_SECONDS:
            return None
        return snapshot.keys.get(kid)

    def _is_current(self, snapshot: KeySnapshot) -> bool:
        return self._clock() - snapshot.confirmed_at < COOLDOWN_SECONDS

    def _wait_for_fetch(self, *, has_keys: bool) -> None:
        with self._lock:
            if self._fetched is None:
                if self._clock() - self._attempted_at < COOLDOWN_SECONDS:
                    return
                self._fetched = threading.Event()
                self._wake.set()
            fetched = self._fetched
        # Unknown kids may hold a few threads only, so that known ones always find a free one.
        # Without any key no token can be checked anyway, so every request may wait.
        if not has_keys:
            fetched.wait(WAIT_SECONDS)
        elif self._waiters.acquire(blocking=False):
            try:
                fetched.wait(WAIT_SECONDS)
            finally:
                self._waiters.release()

    def _accept(self, fetched: FetchedKeySet | None) -> None:
        now, previous = self._clock(), self.snapshot
        if fetched is None:
            fetched = FetchedKeySet(previous.document, previous.keys, previous.etag)
        is_new = fetched.document != previous.document
        self.snapshot = KeySnapshot(fetched.keys, fetched.document, fetched.etag, now)
        metrics.KEY_SET_FETCHES.labels(outcome="replaced" if is_new else "unchanged").inc()
        metrics.KEY_SET_CONFIRMED.set_to_current_time()
        if is_new:
            self._disk.save(fetched.document)
        elif now - self._saved_at >= _SAVE_AGE_EVERY_SECONDS:
            self._disk.confirm(fetched.document)
        else:
            return
        self._saved_at = now

    def _stored_snapshot(self) -> KeySnapshot:
        stored = self._disk.load()
        if stored is None:
            return _EMPTY
        try:
            keys = parse_key_set(stored.document)
        except BadKeySet as error:
            logger.warning("Key set file ignored", extra={"reason": str(error)})
            return _EMPTY
        return KeySnapshot(keys, stored.document, None, self._clock() - stored.age_seconds)
