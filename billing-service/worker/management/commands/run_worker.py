"""`manage.py run_worker`: jobs, sweepers and the feed of user changes, until told to stop."""

import asyncio
import logging
import signal
import threading
from contextlib import suppress
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from procrastinate.exceptions import ConnectorException

from users.feed import follow_user_changes
from worker.run import work

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0


class Command(BaseCommand):
    """Runs the worker; SIGTERM and Ctrl-C let running jobs end."""

    help = "Handle webhook events, finish what was left, and follow auth-service's users."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        stop = threading.Event()
        feed = threading.Thread(target=follow_user_changes, args=(stop,), name="user-feed")
        feed.start()
        try:
            asyncio.run(_work_until_asked_to_stop())
        finally:
            stop.set()
            feed.join()


async def _work_until_asked_to_stop() -> None:
    # Cancelling the worker lets running jobs end.
    working = asyncio.create_task(_work_again_and_again())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


async def _work_again_and_again() -> None:
    """Procrastinate's worker ends, with or without an error, when PostgreSQL was away."""
    while True:
        try:
            await work(until_stopped=True)
        except (ConnectorException, psycopg.Error) as error:
            logger.warning("worker lost the database", extra={"error": type(error).__name__})
        await asyncio.sleep(_PAUSE_SECONDS)
