"""Limits failed log-ins. The counts are in PostgreSQL, so all workers and hosts share them.

Each log-in attempt is counted under three keys:

- the pair: this account from this network;
- the account, from all networks where it has not logged in before;
- the network, over all accounts.

Where an account has logged in within the last 30 days, only the pair's limit applies to it. So
others can lock a user out neither by guessing that account nor by guessing from that network.

Keys are HMACs of folded usernames and networks. So an unknown username is treated as a known one,
and what a user typed into the wrong field is not stored.
"""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, select

from auth_service import queries
from auth_service.errors import TooManyAttempts, TooManyRequests
from auth_service.queries import ThrottleBucket
from auth_service.tables import known_source, throttle_bucket
from auth_service.usernames import fold_username

WINDOW = timedelta(minutes=15)
# How many mails may be asked for in an hour: for one address, and from one network, which can be an
# office.
MAILS_IN_WINDOW = 5
_REQUESTS_FROM_NETWORK = 100
_REQUEST_WINDOW = timedelta(hours=1)
_FIRST_BACKOFF = timedelta(seconds=15)
_LONGEST_BACKOFF = timedelta(minutes=15)
_PAIR_MEMORY = timedelta(hours=1)
KNOWN_NETWORK_MEMORY = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many failures are allowed under each key before log-ins are refused."""

    pair_failures: int = 5
    account_failures: int = 20
    network_failures: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The three keys of one log-in attempt."""

    account_key: bytes
    network_key: bytes
    pair_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginThrottle:
    """Decides whether a log-in may be attempted.

    Attributes:
        secret: Key of the HMACs. A new secret starts with no failures counted.
        limits: When log-ins are refused.
    """

    secret: bytes
    limits: Limits

    def attempt(self, username: str, *, client_ip: str) -> Attempt:
        """Derive the keys of an attempt.

        Args:
            client_ip: An IPv4 or IPv6 address; an IPv6 client is counted by its /64 network.
        """
        account, network = fold_username(username), network_of(client_ip)
        # The labels are part of what is stored; a new word would forget all counts.
        return Attempt(
            account_key=self._key("account", account),
            network_key=self._key("source", network),
            pair_key=self._key("pair", account, network),
        )

    def check(self, connection: Connection, attempt: Attempt, *, now: datetime) -> None:
        """Refuse an attempt while one of its limits is reached, whatever the password is.

        Raises:
            TooManyAttempts: With the seconds until log-ins are accepted again.
        """
        buckets = queries.throttle_buckets(
            connection,
            [attempt.pair_key, attempt.network_key, attempt.account_key],
            pair_key=attempt.pair_key,
            known_since=now - KNOWN_NETWORK_MEMORY,
            now=now,
        )
        is_known = any(bucket.is_known_network for bucket in buckets)
        limits = self._limits_for(attempt, is_known_network=is_known)
        closed_until = [
            self._closed_until(bucket, attempt, limit=limits[bucket.key])
            for bucket in buckets
            if bucket.key in limits
        ]
        latest = max((moment for moment in closed_until if moment), default=now)
        if latest > now:
            raise TooManyAttempts(retry_after_seconds=ceil((latest - now).total_seconds()))

    def record_failure(self, connection: Connection, attempt: Attempt, *, now: datetime) -> None:
        """Count a failed log-in under the attempt's keys."""
        is_known = _is_known_network(connection, attempt, now=now)
        keys = [attempt.pair_key, attempt.network_key]
        # Failures at a known network are those of a user who mistypes.
        if not is_known:
            keys.append(attempt.account_key)
        # In their order: two attempts then cannot wait for each other's rows.
        for key in sorted(keys):
            is_pair = key == attempt.pair_key
            queries.count_failure(
                connection,
                key,
                now=now,
                expires_at=now + (_PAIR_MEMORY if is_pair else WINDOW),
                is_sliding=is_pair,
            )

    def record_success(self, connection: Connection, attempt: Attempt, *, now: datetime) -> bool:
        """Forget the account's failures from this network, and remember the network.

        Returns:
            Whether the account had logged in from this network before, within 30 days.
        """
        return queries.forget_failures(
            connection,
            attempt.pair_key,
            now=now,
            fresh_since=now - timedelta(days=1),
            known_since=now - KNOWN_NETWORK_MEMORY,
        )

    def count_request(
        self,
        connection: Connection,
        subject: str,
        *,
        client_ip: str,
        now: datetime,
        limit: int = MAILS_IN_WINDOW,
    ) -> None:
        """Count a request that no password protects, such as one for a mail.

        Args:
            subject: The address that was typed, known or not, or what else is limited.
            limit: How many requests with this subject are accepted in an hour.

        Raises:
            TooManyRequests: Too many, with this subject or from this network.
        """
        limits = {
            self._key("request", subject.casefold()): limit,
            self._key("request network", network_of(client_ip)): _REQUESTS_FROM_NETWORK,
        }
        counted = queries.count_requests(
            connection, list(limits), now=now, expires_at=now + _REQUEST_WINDOW
        )
        full = [bucket.expires_at for bucket in counted if bucket.requests > limits[bucket.key]]
        if full:
            raise TooManyRequests(retry_after_seconds=ceil((max(full) - now).total_seconds()))

    def _limits_for(self, attempt: Attempt, *, is_known_network: bool) -> dict[bytes, int]:
        limits = {attempt.pair_key: self.limits.pair_failures}
        if not is_known_network:
            limits[attempt.network_key] = self.limits.network_failures
            limits[attempt.account_key] = self.limits.account_failures
        return limits

    def _closed_until(
        self, bucket: ThrottleBucket, attempt: Attempt, *, limit: int
    ) -> datetime | None:
        if bucket.failures < limit:
            return None
        if bucket.key == attempt.pair_key:
            return bucket.last_failed_at + backoff(bucket.failures - limit)
        return bucket.expires_at

    def _key(self, *components: str) -> bytes:
        return hmac.digest(self.secret, "\0".join(components).encode(), hashlib.sha256)


def delete_expired(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete at most `limit` rows of each table.

    Returns:
        How many rows were deleted; fewer than `limit` means that no expired row is left.
    """
    expired: list[tuple[Table, ColumnElement[bool]]] = [
        (throttle_bucket, throttle_bucket.c.expires_at <= now),
        (known_source, known_source.c.last_success_at <= now - KNOWN_NETWORK_MEMORY),
    ]
    return sum(
        _delete_some(connection, table, condition, limit=limit) for table, condition in expired
    )


def backoff(failures_over_limit: int) -> timedelta:
    """Return the wait after the last failure: 15 s, doubled with each failure, at most 15 min."""
    # Two to the seventh already exceeds the longest wait; a larger exponent could overflow.
    doubled: int = 2 ** min(failures_over_limit, 7)
    return min(_FIRST_BACKOFF * doubled, _LONGEST_BACKOFF)


def network_of(client_ip: str) -> str:
    """Return the IPv4 address, or the /64 network of an IPv6 address, as text."""
    try:
        address = ipaddress.ip_address(client_ip.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def _is_known_network(connection: Connection, attempt: Attempt, *, now: datetime) -> bool:
    is_known = exists().where(
        known_source.c.key == attempt.pair_key,
        known_source.c.last_success_at > now - KNOWN_NETWORK_MEMORY,
    )
    return bool(connection.scalar(select(is_known)))


def _delete_some(
    connection: Connection, table: Table, condition: ColumnElement[bool], *, limit: int
) -> int:
    keys: Any = select(table.c.key).where(condition).limit(limit)
    keys = keys.with_for_update(skip_locked=True)
    return connection.execute(delete(table).where(table.c.key.in_(keys))).rowcount
