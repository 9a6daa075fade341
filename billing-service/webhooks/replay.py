"""Lets events be handled once more; always safe, because the truth is fetched again."""

from django.db.models import QuerySet

from webhooks.event_types import HANDLED
from webhooks.inbox import enqueue
from webhooks.models import WebhookEvent


def replay(events: QuerySet[WebhookEvent]) -> int:
    """Put events back into the queue; return how many.

    Args:
        events: Those of a type nobody handles, or about nobody, are left alone.
    """
    chosen = events.filter(type__in=list(HANDLED)).exclude(subject="")
    subjects = list(chosen.values_list("subject", flat=True).distinct())
    count = chosen.update(
        state=WebhookEvent.State.PENDING, failures=0, handled_at=None, last_error=""
    )
    enqueue(subjects)
    return count
