"""Follows auth-service's feed of user changes into the mirror."""

import logging
from datetime import datetime, timedelta
from threading import Event

from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone

from errors import BillingError
from users.auth_client import auth_client
from users.mirror import apply_deletion, apply_user, forget_versions, resume_deletion
from users.models import FeedPosition

logger = logging.getLogger(__name__)

POLL_INTERVAL_SECONDS = 2.0
STALE_AFTER = timedelta(minutes=10)
_PAGE_SIZE = 500


def apply_user_changes() -> int:
    """Read the feed from where it was left and apply every change; return how many.

    Raises:
        AuthUnavailable: The feed cannot be read; the position stays where it was.
        AuthRefused: auth-service does not let us read it.
    """
    applied = 0
    while (count := _apply_page()) > 0:
        applied += count
    return applied


def follow_user_changes(stop: Event) -> None:
    """Apply changes every two seconds until `stop` is set.

    While auth-service or the database is unavailable, it goes on trying, and the feed's age in the
    metrics shows it. An unexpected error is logged and does not end the loop: without it, no
    logout would reach this service.

    Args:
        stop: Set by the worker when it shuts down; the loop ends within one interval.
    """
    while not stop.is_set():
        close_old_connections()
        try:
            apply_user_changes()
        except (BillingError, DatabaseError) as error:
            logger.warning("User changes not applied", extra={"error": type(error).__name__})
        except Exception:
            logger.exception("User changes not applied")
        stop.wait(POLL_INTERVAL_SECONDS)
    close_old_connections()


def feed_is_stale() -> bool:
    """Return whether our copy of users is too old to edit; one that was never read is not."""
    read_at = feed_read_at()
    return read_at is not None and timezone.now() - read_at > STALE_AFTER


def feed_read_at() -> datetime | None:
    """Return when the feed was last read to its end."""
    return FeedPosition.objects.values_list("read_at", flat=True).first()


def _apply_page() -> int:
    FeedPosition.objects.bulk_create([FeedPosition()], ignore_conflicts=True)
    after = FeedPosition.objects.values_list("after", flat=True).get()
    page = auth_client().user_changes(after=after, limit=_PAGE_SIZE)
    with transaction.atomic():
        position = FeedPosition.objects.select_for_update().get()
        if position.after != after:
            # Another worker applied this page meanwhile; the next round goes on from there.
            return 0
        if page.next_after < after:
            # auth-service was restored from a backup, where versions are lower.
            forget_versions()
        for change in page.changes:
            user = apply_user(change["user"])
            if change["deleted"]:
                apply_deletion(user.id)
            elif user.anonymised_at is not None:
                resume_deletion(user.id)
        position.after, position.read_at = page.next_after, timezone.now()
        position.save()
    return len(page.changes)
