"""The worker's two loops: webhook events, and the job library's jobs."""

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, connection
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params

from webhooks.process import Claimed, claim, process
from worker.rate_limiter import RateLimiter

# Subjects processed at once, each in a thread that mostly waits for Stripe. An event of a subject
# that waits costs nothing more, of one that is being processed another look: so not more than help.
_AT_ONCE = 8
# What users wait for, such as their bank's yes, waits half of the pause on average. The pause is
# short while events come in and grows while none do.
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.25
_DATABASE_PAUSE_SECONDS = 1.0
_JOB_POLL_SECONDS = 1.0
_JOBS_AT_ONCE = 4
# Most jobs end by themselves within this time; the long ones are then asked to end, which takes one
# customer's calls at Stripe at the most.
_GRACE_SECONDS = 5.0
# Calls of one worker: what Stripe allows in test mode, a quarter of what it allows a live account.
LIMITER = RateLimiter(per_second=25, at_once=50)

_log = logging.getLogger(__name__)


def process_events(stop: threading.Event) -> None:
    """Process due events until the worker is to end, then let those under way end.

    Args:
        stop: Set by the signal that ends the worker.
    """
    free = threading.BoundedSemaphore(_AT_ONCE)
    pause = _SHORTEST_PAUSE_SECONDS

    def process_and_free(claimed: list[Claimed]) -> None:
        try:
            process(claimed)
        except DatabaseError as error:
            # What was claimed is due again when the claim ends.
            _log_lost_database(error)
        finally:
            connection.close()
            free.release()

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="events") as threads:
        while not stop.is_set():
            free.acquire()
            # Events that arrive while it waits are processed with the others.
            LIMITER.wait_for_room()
            claimed = _claim_or_wait(stop)
            if claimed:
                pause = _SHORTEST_PAUSE_SECONDS
                threads.submit(process_and_free, claimed)
            else:
                free.release()
                stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    connection.close()


def _claim_or_wait(stop: threading.Event) -> list[Claimed]:
    try:
        return claim()
    except DatabaseError as error:
        _log_lost_database(error)
        connection.close()
        stop.wait(_DATABASE_PAUSE_SECONDS)
        return []


def _log_lost_database(error: DatabaseError) -> None:
    _log.warning("The worker lost the database", extra={"error": type(error).__name__})


async def run_jobs(*, until_stopped: bool) -> None:
    """Run the job library's jobs.

    Args:
        until_stopped: Go on until cancelled, which lets running jobs end; otherwise stop when
            nothing is due.
    """
    # Else the event loop has a few threads of its own, and jobs that were taken wait for one.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_JOBS_AT_ONCE))
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=_JOBS_AT_ONCE + 1)
    with app.replace_connector(connector):
        async with app.open_async():
            await app.run_worker_async(
                wait=until_stopped,
                # LISTEN does not work through a connection pooler in transaction mode.
                listen_notify=False,
                install_signal_handlers=False,
                concurrency=_JOBS_AT_ONCE,
                fetch_job_polling_interval=_JOB_POLL_SECONDS,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                delete_jobs="successful",
            )
