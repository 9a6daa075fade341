"""Sends events to webhook endpoints: signed, retried, logged.

Source: https://docs.stripe.com/webhooks (signatures, retries).
"""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from stripe_sandbox.api.rendering import present
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.state import WebhookEndpointState
from stripe_sandbox.storage.kinds import EVENT, WEBHOOK_ENDPOINT
from stripe_sandbox.storage.store import Store
from stripe_sandbox.webhooks.signing import signature_header

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

# Seconds between attempts; like Stripe's in live mode they grow, for up to three days in all.
_BACKOFF = (5, 300, 1800, 7200, 18000, 36000, *([43200] * 4))
_AT_ONCE = 16
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Waiting:
    """A delivery whose time has come."""

    id: int
    event: str
    endpoint: str
    attempts: int


class Delivery:
    """The loop that empties the queue of deliveries."""

    def __init__(self, store: Store, *, retry_speed: float) -> None:
        self.store = store
        self.retry_speed = retry_speed
        self._wake = asyncio.Event()
        store.on_commit.append(lambda _events: self._wake.set())

    async def run(self) -> None:
        """Send what is due until cancelled."""
        self._reclaim()
        limit = asyncio.Semaphore(_AT_ONCE)
        client: httpx.AsyncClient | None = None
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                for waiting in self._claim():
                    if client is None:
                        client = await stack.enter_async_context(await _new_client())
                    await limit.acquire()
                    group.create_task(self._deliver(client, waiting, limit))
                await self._sleep()

    def _reclaim(self) -> None:
        """Send once more what was on its way when the last process died."""
        with self.store.work() as work:
            work.execute("UPDATE deliveries SET state = 'waiting' WHERE state = 'sending'")

    def _claim(self) -> list[Waiting]:
        """Deliveries whose time has come, marked as being sent."""
        with self.store.work() as work:
            rows = work.query(
                "SELECT id, event, endpoint, attempts FROM deliveries"
                " WHERE state = 'waiting' AND next_attempt <= ? ORDER BY id LIMIT 200",
                (time.time(),),
            )
            for row in rows:
                work.execute("UPDATE deliveries SET state = 'sending' WHERE id = ?", (row[0],))
        return [Waiting(*row) for row in rows]

    async def _sleep(self) -> None:
        row = self.store.connection.execute(
            "SELECT MIN(next_attempt) FROM deliveries WHERE state = 'waiting'"
        ).fetchone()
        pause = 1.0 if row[0] is None else min(1.0, max(0.01, row[0] - time.time()))
        try:
            await asyncio.wait_for(self._wake.wait(), pause)
        except TimeoutError:
            return

    async def _deliver(
        self, client: "httpx.AsyncClient", waiting: Waiting, limit: asyncio.Semaphore
    ) -> None:
        try:
            with self.store.work() as work:
                event = work.find(EVENT, waiting.event)
                endpoint = work.find(WEBHOOK_ENDPOINT, waiting.endpoint)
                body = present(work, event) if event else None
                state = work.state(endpoint, WebhookEndpointState) if endpoint else None
            if body is None or endpoint is None or state is None or endpoint["status"] != "enabled":
                self._record(waiting, status=None, outcome="endpoint gone", milliseconds=0)
                return
            await self._send(client, waiting, body, url=endpoint["url"], secret=state.secret)
        except Exception:
            # A defect of the sandbox; other deliveries must not wait for it.
            log.exception("delivery %s could not be made", waiting.id)
        finally:
            limit.release()

    async def _send(
        self, client: "httpx.AsyncClient", waiting: Waiting, event: Json, *, url: str, secret: str
    ) -> None:
        import httpx

        payload = orjson.dumps(event, option=orjson.OPT_INDENT_2).decode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature_header(payload, secret=secret),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        begun = time.monotonic()
        try:
            answer = await client.post(url, content=payload.encode(), headers=headers)
            status, outcome = answer.status_code, answer.text[:500]
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            status, outcome = None, f"{type(problem).__name__}: {problem}"
        spent = int((time.monotonic() - begun) * 1000)
        self._record(waiting, status=status, outcome=outcome, milliseconds=spent)

    def _record(
        self, waiting: Waiting, *, status: int | None, outcome: str, milliseconds: int
    ) -> None:
        now = time.time()
        succeeded = status is not None and 200 <= status < 300
        gone = outcome == "endpoint gone"
        attempts = waiting.attempts + 1
        over = succeeded or gone or attempts > len(_BACKOFF)
        pause = None if over else _BACKOFF[attempts - 1] / self.retry_speed
        state = "delivered" if succeeded else "failed" if over else "waiting"
        with self.store.work() as work:
            work.execute(
                "INSERT INTO delivery_attempts (delivery, at, status, outcome, milliseconds)"
                " VALUES (?, ?, ?, ?, ?)",
                (waiting.id, now, status, outcome, milliseconds),
            )
            work.execute(
                "UPDATE deliveries SET state = ?, attempts = ?, next_attempt = ? WHERE id = ?",
                (state, attempts, None if pause is None else now + pause, waiting.id),
            )
            event = work.find(EVENT, waiting.event)
            if event and succeeded:
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
                work.save(event)


async def _new_client() -> "httpx.AsyncClient":
    """A client, whose package is loaded when there is something to send, for a quicker start."""

    def make() -> "httpx.AsyncClient":
        import httpx

        # A proxy that the environment names leads out of here; receivers are local.
        return httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)

    return await asyncio.to_thread(make)
