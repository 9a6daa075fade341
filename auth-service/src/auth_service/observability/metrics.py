"""What this service counts, added up over all workers (Prometheus multiprocess mode).

On the path of a request stand one clock reading and two additions in shared memory.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth_service.clock import Clock
from auth_service.keys import KeyRing, KeyState, state_of
from auth_service.observability.metrics_directory import VARIABLE

_SAMPLE_EVERY_SECONDS = 1.0
_ERROR_CODE = "auth_service.error_code"
_LIVE_FILE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")

LATENCY = Histogram(
    "auth_http_request_seconds",
    "Time from the first byte of a request's head to the last of its answer.",
    ("route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
LOGINS = Counter("auth_logins", "Log-ins by outcome: ok, or the code of the refusal.", ("outcome",))
REFRESHES = Counter(
    "auth_refreshes", "Refreshes by outcome: ok, or the code of the refusal.", ("outcome",)
)
HASH_QUEUE = Gauge(
    "auth_hash_queue_length",
    "Log-ins that wait for their worker's hashing slot.",
    multiprocess_mode="livesum",
)
KEY_SET_AGE = Gauge(
    "auth_key_set_age_seconds",
    "Time since the keys in use were last known to be those on disk, of the worst worker.",
    multiprocess_mode="livemax",
)
KEY_ALARM = Gauge(
    "auth_key_manifest_alarm",
    "1 while a worker cannot use the manifest on disk and goes on with older keys.",
    multiprocess_mode="livemax",
)
SIGNING_KEY_AGE = Gauge(
    "auth_signing_key_age_seconds",
    "How long the active key has been signing; rotate before it grows old.",
    multiprocess_mode="livemax",
)

_OUTCOMES = {"/api/token/obtain": LOGINS, "/api/token/refresh": REFRESHES}


def note_refusal(scope: Scope, code: str) -> None:
    """Remember the code of a refusal, so that the outcome is counted under it."""
    scope[_ERROR_CODE] = code


class MeasureRequests:
    """ASGI middleware: latency by route and status, outcomes of log-in and refresh."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            _count(scope, status, time.perf_counter() - began)


def _count(scope: Scope, status: int, seconds: float) -> None:
    # The route's template, never the raw path: a stranger must not be able to add time series.
    route = getattr(scope.get("route"), "path", "unknown").rstrip("/")
    _latency_of(route, status).observe(seconds)
    outcomes = _OUTCOMES.get(route)
    if outcomes:
        code = "ok" if status < 400 else scope.get(_ERROR_CODE, str(status))  # noqa: PLR2004 # RFC 9110 §15
        outcomes.labels(code).inc()


@cache
def _latency_of(route: str, status: int) -> Histogram:
    return LATENCY.labels(route, status)


async def sample_forever(keys: KeyRing, *, hash_queue: Callable[[], int], clock: Clock) -> None:
    """Write down once a second what a worker alone knows; its look at the keys is part of it."""
    while True:
        sample(keys, hash_queue=hash_queue, now=clock())
        await asyncio.sleep(_SAMPLE_EVERY_SECONDS)


def sample(keys: KeyRing, *, hash_queue: Callable[[], int], now: datetime) -> None:
    """Write down what this worker knows at the moment."""
    records = keys.manifest(now=now).records
    HASH_QUEUE.set(hash_queue())
    KEY_SET_AGE.set(keys.age_seconds)
    KEY_ALARM.set(keys.alarm is not None)
    for record in records:
        if record.sign_at and state_of(record, among=records, now=now) is KeyState.ACTIVE:
            SIGNING_KEY_AGE.set((now - record.sign_at).total_seconds())


def expose() -> bytes:
    """Write the sums over all workers in Prometheus' text format, version 0.0.4."""
    directory = os.environ.get(VARIABLE)
    if directory is None:
        return generate_latest()
    _forget_dead_workers(Path(directory))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call] # of the library
    return generate_latest(registry)


def _forget_dead_workers(directory: Path) -> None:
    """Drop the gauges of workers that were killed; their counters go on counting in the sums."""
    pids = {int(found[1]) for path in directory.iterdir() if (found := _LIVE_FILE.match(path.name))}
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, path=str(directory))  # type: ignore[no-untyped-call] # of the library
