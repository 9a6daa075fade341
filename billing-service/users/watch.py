"""Keeps a web process's memory of revoked tokens up to date."""

import logging
import threading
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, connection
from django.utils import timezone

from identity.revocation import REVOCATIONS
from users import metrics
from users.feed import feed_read_at
from users.mirror import revocations_since

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 2.0
# The worker stamps a revocation before it commits, and its clock may differ from ours.
_OVERLAP = timedelta(seconds=60)


def start_watching() -> None:
    """Load once, then go on in a thread of this process until it ends.

    Called after the fork, so that each worker process has a thread of its own. The short interval
    lets a deactivated user's token be refused within 10 s without any query in a request.
    """
    look()
    threading.Thread(target=_keep_looking, name="watch", daemon=True).start()


def look() -> None:
    """Take over the revocations that the worker has received from auth-service."""
    now = timezone.now()
    try:
        REVOCATIONS.add(revocations_since(REVOCATIONS.known_until(now) - _OVERLAP), now=now)
        metrics.FEED_READ.set(_timestamp(feed_read_at()))
    except DatabaseError as error:
        # The last known revocations go on being enforced; the metric's age tells operators.
        logger.warning("Revocations not loaded", extra={"error": type(error).__name__})
    finally:
        connection.close()


def _keep_looking() -> None:
    pause = threading.Event()
    while True:
        pause.wait(INTERVAL_SECONDS)
        try:
            look()
        except Exception:
            # Without this thread no later revocation would reach the process.
            logger.exception("Revocations not loaded")


def _timestamp(moment: datetime | None) -> float:
    return (moment or datetime.fromtimestamp(0, UTC)).timestamp()
