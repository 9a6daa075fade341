"""`manage.py run_worker`: jobs, sweepers and the feed of user changes, until told to stop."""

import asyncio
import threading
from typing import Any

from django.core.management.base import BaseCommand

from users.feed import follow_user_changes
from webhooks.worker import work


class Command(BaseCommand):
    """Runs the worker; SIGTERM and Ctrl-C let running jobs end."""

    help = "Handle webhook events, finish what was left, and follow auth-service's users."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        stop = threading.Event()
        feed = threading.Thread(target=follow_user_changes, args=(stop,), name="user-feed")
        feed.start()
        try:
            asyncio.run(work(until_stopped=True))
        finally:
            stop.set()
            feed.join()
