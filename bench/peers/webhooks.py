"""dj-stripe's documented callback for handling events outside the request."""

from djstripe.models import WebhookEventTrigger

from bench.peers.models import WebhookJob


def enqueue(trigger: WebhookEventTrigger, **_: object) -> None:
    """Store a job for a verified delivery, in the transaction dj-stripe has opened.

    Args:
        trigger: The delivery dj-stripe has stored and whose signature it has checked.
        _: The API key, which a worker would read again.
    """
    WebhookJob.objects.create(trigger_id=trigger.pk)
