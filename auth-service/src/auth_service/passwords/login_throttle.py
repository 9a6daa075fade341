"""Login throttling: counts failures in PostgreSQL, so that all workers and hosts see the same.

Three buckets watch every attempt: the account from this source, the account from all sources
it never logged in from, and the source over all accounts. Keys are HMACs of normalised names:
unknown names behave exactly like known ones, and what somebody typed by mistake is not stored.
"""

import hashlib
import hmac
import ipaddress
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from sqlalchemy import Connection, Exists, delete, exists, select, text

from auth_service.database import bare_rows
from auth_service.errors import TooManyAttempts
from auth_service.tables import known_source, throttle_bucket

WINDOW = timedelta(minutes=15)
_FIRST_BACKOFF = timedelta(seconds=15)
_LONGEST_BACKOFF = timedelta(minutes=15)
_PAIR_MEMORY = timedelta(hours=1)
KNOWN_SOURCE_MEMORY = timedelta(days=30)

_RECORD = text("""
INSERT INTO throttle_bucket AS b (key, failures, last_failed_at, expires_at)
VALUES (:key, 1, :now, :expires_at)
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN b.expires_at <= :now THEN 1 ELSE b.failures + 1 END,
    last_failed_at = GREATEST(b.last_failed_at, :now),
    expires_at = CASE WHEN :slides OR b.expires_at <= :now THEN :expires_at ELSE b.expires_at END
""")

# Most log-ins find nothing to forgive and a source noted today: then nothing is written.
_FORGIVE_AND_REMEMBER = """
WITH forgiven AS (DELETE FROM throttle_bucket WHERE key = %(key)s)
INSERT INTO known_source (key, last_success_at)
SELECT %(key)s, %(now)s
WHERE NOT EXISTS (SELECT FROM known_source WHERE key = %(key)s AND last_success_at >= %(stale)s)
ON CONFLICT (key) DO UPDATE SET last_success_at = %(now)s
"""

_OPEN_BUCKETS = """
SELECT key, failures, last_failed_at, expires_at, EXISTS (
    SELECT FROM known_source WHERE key = %(pair)s AND last_success_at > %(remembered)s
)
FROM throttle_bucket WHERE key = ANY(%(keys)s) AND expires_at > %(now)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many failures each bucket allows before it closes."""

    pair_failures: int = 5
    account_failures: int = 20
    source_failures: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to log in, known by keys only."""

    account_key: bytes
    source_key: bytes
    pair_key: bytes


class _Bucket(NamedTuple):
    key: bytes
    failures: int
    last_failed_at: datetime
    expires_at: datetime
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginThrottle:
    """Decides from the buckets whether a password may be tried.

    Attributes:
        secret: Keys the HMACs; another secret begins with empty buckets.
        limits: When each bucket closes.
    """

    secret: bytes
    limits: Limits

    def attempt(self, username: str, *, source: str) -> Attempt:
        """Name the buckets of an attempt.

        Args:
            username: As typed.
            source: The client's address; an IPv6 client has its whole /64.
        """
        account, network = normalised(username), network_of(source)
        return Attempt(
            account_key=self._key("account", account),
            source_key=self._key("source", network),
            pair_key=self._key("pair", account, network),
        )

    def check(self, connection: Connection, attempt: Attempt, *, now: datetime) -> None:
        """Refuse an attempt while one of its buckets is closed, right password or not.

        Raises:
            TooManyAttempts: Says after how many seconds the last of the buckets opens again.
        """
        parameters = {
            "keys": [attempt.pair_key, attempt.source_key, attempt.account_key],
            "pair": attempt.pair_key,
            "remembered": now - KNOWN_SOURCE_MEMORY,
            "now": now,
        }
        rows = bare_rows(connection, _OPEN_BUCKETS, parameters)
        # The driver hands a key out as a view that equals no bytes.
        buckets = [_Bucket(bytes(key), *others) for key, *others in rows]
        watched = self._limits_for(attempt, is_known=any(bucket.is_known for bucket in buckets))
        opens = [
            self._opens_at(bucket, attempt, limit=watched[bucket.key])
            for bucket in buckets
            if bucket.key in watched
        ]
        latest = max((moment for moment in opens if moment), default=now)
        if latest > now:
            raise TooManyAttempts(retry_after_seconds=ceil((latest - now).total_seconds()))

    def record_failure(self, connection: Connection, attempt: Attempt, *, now: datetime) -> None:
        """Count a failure in every bucket that watched the attempt."""
        is_known = bool(connection.scalar(select(_is_known(attempt, now=now))))
        # In key order, so that two attempts never wait for each other in a circle.
        for key in sorted(self._limits_for(attempt, is_known=is_known)):
            slides = key == attempt.pair_key
            connection.execute(
                _RECORD,
                {
                    "key": key,
                    "now": now,
                    "slides": slides,
                    "expires_at": now + (_PAIR_MEMORY if slides else WINDOW),
                },
            )

    def record_success(self, connection: Connection, attempt: Attempt, *, now: datetime) -> None:
        """Forgive the account's failures from this source and remember the source."""
        bare_rows(
            connection,
            _FORGIVE_AND_REMEMBER,
            {"key": attempt.pair_key, "now": now, "stale": now - timedelta(days=1)},
        )

    def _limits_for(self, attempt: Attempt, *, is_known: bool) -> dict[bytes, int]:
        limits = {
            attempt.pair_key: self.limits.pair_failures,
            attempt.source_key: self.limits.source_failures,
        }
        # A source that logged in before has a bucket of its own: whatever strangers do to the
        # account, its owner is not locked out.
        if not is_known:
            limits[attempt.account_key] = self.limits.account_failures
        return limits

    def _opens_at(self, bucket: _Bucket, attempt: Attempt, *, limit: int) -> datetime | None:
        if bucket.failures < limit:
            return None
        if bucket.key == attempt.pair_key:
            return bucket.last_failed_at + backoff(bucket.failures - limit)
        return bucket.expires_at

    def _key(self, *parts: str) -> bytes:
        message = "\0".join(parts).encode()
        return hmac.digest(self.secret, message, hashlib.sha256)


def _is_known(attempt: Attempt, *, now: datetime) -> Exists:
    return exists().where(
        known_source.c.key == attempt.pair_key,
        known_source.c.last_success_at > now - KNOWN_SOURCE_MEMORY,
    )


def purge(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete some buckets that ended and sources that did not log in for long.

    Returns:
        How many rows went; fewer than `limit` means that none is left.
    """
    removed = 0
    outdated: Sequence[tuple[Any, Any]] = (
        (throttle_bucket, throttle_bucket.c.expires_at <= now),
        (known_source, known_source.c.last_success_at <= now - KNOWN_SOURCE_MEMORY),
    )
    for table, is_outdated in outdated:
        some = select(table.c.key).where(is_outdated).limit(limit)
        some = some.with_for_update(skip_locked=True)
        removed += connection.execute(delete(table).where(table.c.key.in_(some))).rowcount
    return removed


def backoff(failures_too_many: int) -> timedelta:
    """How long a pair waits after its last failure: 15 s, doubled each time, 15 min at most."""
    # Two to the seventh already exceeds the longest wait; a larger exponent would overflow.
    doubled: int = 2 ** min(failures_too_many, 7)
    return min(_FIRST_BACKOFF * doubled, _LONGEST_BACKOFF)


def normalised(username: str) -> str:
    """Fold what looks alike to a person, as the accounts themselves do (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", username).casefold()


def network_of(source: str) -> str:
    """Name the network an address belongs to: one IPv4 address, or the /64 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)
