"""`manage.py run_worker`: jobs, sweepers and the feed of user changes, until told to stop."""

import asyncio
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

from users.feed import follow_user_changes

_POLL_SECONDS = 1.0
_GRACE_SECONDS = 30.0


class Command(BaseCommand):
    """Runs the worker; SIGTERM and Ctrl-C let running jobs end."""

    help = "Handle webhook events, finish what was left, and follow auth-service's users."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        stop = threading.Event()
        feed = threading.Thread(target=follow_user_changes, args=(stop,), name="user-feed")
        feed.start()
        try:
            asyncio.run(_work())
        finally:
            stop.set()
            feed.join()


async def _work() -> None:
    connector = app.connector
    assert isinstance(connector, DjangoConnector)  # noqa: S101 - the type of Django's own app
    with app.replace_connector(connector.get_worker_connector()):
        async with app.open_async():
            await app.run_worker_async(
                concurrency=settings.BILLING.threads,
                # A job that was skipped because an event was just joining it gives no signal.
                fetch_job_polling_interval=_POLL_SECONDS,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                delete_jobs="successful",
            )
