"""`manage.py run_worker`: processes events and jobs, and follows the feed of user changes."""

import asyncio
import logging
import signal
import threading
from contextlib import suppress
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from procrastinate.exceptions import ConnectorException

from subscriptions.stripe_gateway.client import pace_calls
from users.feed import follow_user_changes
from worker.run import LIMITER, process_events, run_jobs

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0


class Command(BaseCommand):
    """Runs the worker; SIGTERM and Ctrl-C let running jobs end."""

    help = "Process webhook events, finish what was left open, and follow auth-service's users."

    def handle(self, *args: Any, **options: Any) -> None:
        pace_calls(LIMITER.wait)
        stop = threading.Event()
        threads = [
            threading.Thread(target=follow_user_changes, args=(stop,), name="user-feed"),
            threading.Thread(target=process_events, args=(stop,), name="events"),
        ]
        for thread in threads:
            thread.start()
        try:
            asyncio.run(_run_jobs_until_stopped(stop))
        finally:
            stop.set()
            for thread in threads:
                thread.join()


async def _run_jobs_until_stopped(stop: threading.Event) -> None:
    # Cancelling the worker lets running jobs end.
    working = asyncio.create_task(_run_jobs_again_and_again())

    def end() -> None:
        stop.set()
        working.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    with suppress(asyncio.CancelledError):
        await working


async def _run_jobs_again_and_again() -> None:
    """Procrastinate's worker ends, with or without an error, when it loses PostgreSQL."""
    while True:
        try:
            await run_jobs(until_stopped=True)
        except (ConnectorException, psycopg.Error) as error:
            logger.warning("The worker lost the database", extra={"error": type(error).__name__})
        await asyncio.sleep(_PAUSE_SECONDS)
