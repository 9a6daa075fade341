"""The service's metrics, added up over all workers (Prometheus multiprocess mode)."""

import asyncio
import os
from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from auth_service.clock import Clock
from auth_service.keys import KeyRing, KeyState, state_of
from auth_service.observability.metrics_directory import VARIABLE

_SAMPLE_INTERVAL_SECONDS = 1.0

LATENCY = Histogram(
    "auth_http_request_seconds",
    "Time from the first byte of a request's head to the last byte of the response.",
    ("route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
LOGINS = Counter("auth_logins", "Log-ins by outcome: ok, or the error code.", ("outcome",))
REFRESHES = Counter("auth_refreshes", "Refreshes by outcome: ok, or the error code.", ("outcome",))
REFUSED_PASSWORDS = Counter(
    "auth_refused_passwords", "Reasons to refuse a new password, by their code.", ("code",)
)
BREACH_LOOKUPS = Counter(
    "auth_breach_lookups",
    "New passwords looked up in the breach list: listed, not_listed or failed.",
    ("outcome",),
)
HASH_QUEUE = Gauge(
    "auth_hash_queue_length",
    "Log-ins that wait for their worker to hash a password.",
    multiprocess_mode="livesum",
)
KEY_SET_AGE = Gauge(
    "auth_key_set_age_seconds",
    "Time since the keys in use were last compared with those on disk, of the worst worker.",
    multiprocess_mode="livemax",
)
KEY_ALARM = Gauge(
    "auth_key_manifest_alarm",
    "1 while a worker cannot read the key manifest on disk and keeps using older keys.",
    multiprocess_mode="livemax",
)
SIGNING_KEY_AGE = Gauge(
    "auth_signing_key_age_seconds",
    "Time since the active key started to sign.",
    multiprocess_mode="livemax",
)

MAIL_WAITING = Gauge(
    "auth_mail_waiting",
    "Mails and requests for mails that wait for the worker.",
    multiprocess_mode="mostrecent",
)
MAIL_OLDEST = Gauge(
    "auth_mail_oldest_seconds",
    "How long the oldest of them waits; 0 if none does.",
    multiprocess_mode="mostrecent",
)
MAIL_FAILED = Gauge(
    "auth_mail_failed",
    "Mails of the last seven days that were given up.",
    multiprocess_mode="mostrecent",
)


async def sample_forever(keys: KeyRing, *, hash_queue: Callable[[], int], clock: Clock) -> None:
    """Set this worker's gauges once a second, which also makes it notice changed keys."""
    while True:
        sample(keys, hash_queue=hash_queue, now=clock())
        await asyncio.sleep(_SAMPLE_INTERVAL_SECONDS)


def sample(keys: KeyRing, *, hash_queue: Callable[[], int], now: datetime) -> None:
    """Set this worker's gauges."""
    records = keys.manifest(now=now).records
    HASH_QUEUE.set(hash_queue())
    KEY_SET_AGE.set(keys.age_seconds)
    KEY_ALARM.set(keys.alarm is not None)
    for record in records:
        if record.sign_at and state_of(record, among=records, now=now) is KeyState.ACTIVE:
            SIGNING_KEY_AGE.set((now - record.sign_at).total_seconds())


def expose() -> bytes:
    """Return the metrics of all workers in Prometheus' text format, version 0.0.4."""
    if VARIABLE not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # of the library
    return generate_latest(registry)
