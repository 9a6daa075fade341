"""Finds events that were received but not processed yet."""

from datetime import timedelta

from django.utils import timezone

from webhooks.models import WebhookEvent

# An event that is pending for longer may never be processed.
_SOON = timedelta(minutes=15)


def has_pending_event(subject: str) -> bool:
    """Return whether an event about a subject is likely to be processed soon.

    Args:
        subject: A customer's, product's or price's id.
    """
    return WebhookEvent.objects.filter(
        subject=subject,
        state=WebhookEvent.State.PENDING,
        received_at__gt=timezone.now() - _SOON,
    ).exists()
