"""Deletes old rows, a batch at a time."""

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from backoffice.models import BulkAction
from subscriptions.models import (
    CardFailure,
    ReconcileRun,
    SecretRequest,
    StartedSetup,
    SubscribeAttempt,
)
from webhooks.models import WebhookEvent

_BATCH = 5000


def prunable_events(before: datetime) -> QuerySet[WebhookEvent]:
    """Return the handled and ignored events that were received before a moment."""
    over = (WebhookEvent.State.HANDLED, WebhookEvent.State.IGNORED)
    return WebhookEvent.objects.filter(received_at__lt=before, state__in=over)


def prune_events(before: datetime) -> Generator[int, None, None]:
    """Delete the prunable events; yield the size of each batch."""
    yield from _delete(prunable_events(before))


def prune_attempts(before: datetime) -> Generator[int, None, None]:
    """Delete closed attempts to subscribe, card failures, comparisons and bulk actions.

    Args:
        before: Only what was over before.
    """
    yield from _delete(SubscribeAttempt.objects.filter(closed_at__lt=before))
    yield from _delete(CardFailure.objects.filter(at__lt=before))
    yield from _delete(StartedSetup.objects.filter(at__lt=before))
    # They count for a minute, and no page shows them.
    yield from _delete(SecretRequest.objects.filter(at__lt=timezone.now() - timedelta(days=1)))
    yield from _delete(ReconcileRun.objects.filter(started_at__lt=before))
    yield from _delete(BulkAction.objects.filter(finished_at__lt=before))


def prune_sessions() -> Generator[int, None, None]:
    """Delete the sessions of staff that have expired, as Django's `clearsessions` does."""
    yield from _delete(Session.objects.filter(expire_date__lt=timezone.now()))


def _delete(rows: QuerySet[Any]) -> Generator[int, None, None]:
    while batch := list(rows.values_list("pk", flat=True)[:_BATCH]):
        rows.filter(pk__in=batch).delete()
        yield len(batch)
