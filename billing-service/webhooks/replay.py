"""Lets events be processed once more; always safe, because Stripe is looked at again."""

from django.db.models import QuerySet
from django.utils import timezone

from webhooks.event_types import HANDLED
from webhooks.models import WebhookEvent


def replay(events: QuerySet[WebhookEvent]) -> int:
    """Make events due again; return how many.

    Args:
        events: Those of a type that is not handled, or without a subject, are left alone.
    """
    chosen = events.filter(type__in=list(HANDLED)).exclude(subject="")
    return chosen.update(
        state=WebhookEvent.State.PENDING,
        next_attempt_at=timezone.now(),
        failures=0,
        handled_at=None,
        last_error="",
    )
