"""Idempotency keys: replayed results, refused misuse, requests still under way.

Source: https://docs.stripe.com/api/idempotent_requests.
"""

import hashlib
from dataclasses import dataclass

from stripe_sandbox.errors import IdempotencyKeyInUse, IdempotencyMismatch
from stripe_sandbox.store import Store, Work

_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Result:
    """A stored answer."""

    status: int
    body: str
    request_id: str


@dataclass(frozen=True)
class Key:
    """An idempotency key with the request it came with."""

    value: str
    route: str
    fingerprint: str


def key_of(value: str, route: str, body: bytes) -> Key:
    """The key of a request; equal requests have equal fingerprints."""
    return Key(value, route, hashlib.sha256(body).hexdigest())


class KeysInUse:
    """Keys whose first request has not been answered; a crash forgets them, rightly."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def take(self, key: Key) -> None:
        """Claim a key until it is released.

        Raises:
            IdempotencyKeyInUse: Another request holds it.
        """
        if key.value in self._values:
            raise IdempotencyKeyInUse(
                "There is currently another in-progress request using this Idempotent Key (that "
                "probably means you submitted twice, and the other request is still going "
                f"through): {key.value}. Please try again later.",
                code="idempotency_key_in_use",
            )
        self._values.add(key.value)

    def release(self, key: Key) -> None:
        """Give a key back once its request is answered."""
        self._values.discard(key.value)


def stored(store: Store, key: Key) -> Result | None:
    """The answer this key was given before.

    Raises:
        IdempotencyMismatch: The key came with another request before.
    """
    row = store.connection.execute(
        "SELECT route, fingerprint, status, body, request_id FROM idempotent_results"
        " WHERE key = ? AND created > ?",
        (key.value, int(store.clock.wall()) - _KEPT_SECONDS),
    ).fetchone()
    if row is None:
        return None
    route, fingerprint, status, body, request_id = row
    if route != key.route:
        raise IdempotencyMismatch(
            "Keys for idempotent requests can only be used for the same endpoint they were first "
            f"used for ('{route}' vs '{key.route}'). Try using a key other than '{key.value}' if "
            "you meant to execute a different request."
        )
    if fingerprint != key.fingerprint:
        raise IdempotencyMismatch(
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key.value}' if you meant to execute a "
            "different request."
        )
    return Result(status, body, request_id)


def keep(work: Work, key: Key, result: Result) -> None:
    """Store an answer in the unit of work that produced it."""
    work.execute(
        "INSERT OR REPLACE INTO idempotent_results VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            key.value,
            key.route,
            key.fingerprint,
            result.status,
            result.body,
            result.request_id,
            int(work.store.clock.wall()),
        ),
    )


def prune(store: Store) -> None:
    """Forget keys after a day, as Stripe does."""
    with store.work() as work:
        work.execute(
            "DELETE FROM idempotent_results WHERE created < ?",
            (int(store.clock.wall()) - _KEPT_SECONDS,),
        )
