"""Lets events be processed once more; always safe, because Stripe is looked at again."""

from django.db.models import QuerySet
from django.utils import timezone

from webhooks.event_types import HANDLED
from webhooks.models import WebhookEvent


def replayable(events: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
    """Leave out events of a type that is not handled, and those without a subject."""
    return events.filter(type__in=list(HANDLED)).exclude(subject="")


def replay(events: QuerySet[WebhookEvent]) -> int:
    """Make the replayable ones due again; return how many."""
    return replayable(events).update(
        state=WebhookEvent.State.PENDING,
        next_attempt_at=timezone.now(),
        failures=0,
        handled_at=None,
        last_error="",
    )
