"""Tells for whom news has arrived that no worker has handled yet."""

from datetime import timedelta

from django.utils import timezone

from webhooks.models import WebhookEvent

# News that waits longer may never be handled.
_SOON = timedelta(minutes=15)


def is_awaited(subject: str) -> bool:
    """Tell whether an event about a subject is likely to be handled soon.

    Args:
        subject: A customer's, product's or price's id.
    """
    return WebhookEvent.objects.filter(
        subject=subject,
        state=WebhookEvent.State.PENDING,
        received_at__gt=timezone.now() - _SOON,
    ).exists()
