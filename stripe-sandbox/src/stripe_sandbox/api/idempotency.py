"""Idempotency keys: replayed results, refused misuse, requests still under way.

Source: https://docs.stripe.com/api/idempotent_requests.
"""

import hashlib
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stripe_sandbox.error_handlers import refusal_response
from stripe_sandbox.errors import IdempotencyKeyInUse, IdempotencyMismatch
from stripe_sandbox.storage.store import Store, Work

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


class OneAtATime:
    """An ASGI layer that lets one request with a key through at a time.

    It stands outside everything that can delay an answer, as a slow Stripe
    would. A crash forgets which keys are in use, and rightly so.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._in_use: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it while another one holds its key."""
        key = _key_in(scope)
        if key is None:
            await self._app(scope, receive, send)
        elif key in self._in_use:
            await _conflict(key.decode("latin-1"))(scope, receive, send)
        else:
            self._in_use.add(key)
            try:
                await self._app(scope, receive, send)
            finally:
                self._in_use.discard(key)


def _key_in(scope: Scope) -> bytes | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    return next((v for name, v in scope["headers"] if name == b"idempotency-key" and v), None)


def _conflict(key: str) -> Response:
    refusal = IdempotencyKeyInUse(
        "There is currently another in-progress request using this Idempotent Key (that probably "
        "means you submitted twice, and the other request is still going through): "
        f"{key}. Please try again later.",
        code="idempotency_key_in_use",
    )
    response = refusal_response(refusal)
    response.headers["Stripe-Should-Retry"] = "true"
    return response


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
