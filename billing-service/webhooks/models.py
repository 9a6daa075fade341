"""The inbox: every event Stripe delivered, once."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class WebhookEvent(models.Model):
    """A stored delivery: that something changed, not what it is now.

    The body is not kept. It can hold client secrets and personal data, is out of date by the time
    it is read, and Stripe shows it for 30 days.
    """

    class State(models.TextChoices):
        """How far the event is."""

        PENDING = "pending"
        HANDLED = "handled"
        IGNORED = "ignored"
        DEAD = "dead"

    id = models.CharField(primary_key=True, max_length=255)
    type = models.CharField(max_length=100)
    # What is looked at: a customer's id, or a product's or price's.
    subject = models.CharField(max_length=255, blank=True)
    object_id = models.CharField(max_length=255, blank=True)
    # Of the API call that caused it, if one did: these lead back to an attempt to subscribe.
    request_id = models.CharField(max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    stripe_created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    # When a worker may take it, while it is pending; a claim moves it behind the claim's end.
    next_attempt_at = models.DateTimeField(db_default=Now())
    handled_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = (
            models.Index(
                fields=("subject", "received_at"),
                condition=Q(state="pending"),
                name="pending_events_by_subject",
            ),
            models.Index(
                fields=("received_at",), condition=Q(state="pending"), name="pending_events_by_age"
            ),
            models.Index(
                fields=("next_attempt_at",),
                condition=Q(state="pending"),
                name="pending_events_by_next_attempt",
            ),
            models.Index(
                fields=("received_at",), condition=Q(state="dead"), name="dead_events_by_age"
            ),
            # Pruning and the admin's list walk this one.
            models.Index(fields=("-received_at",), name="events_by_age"),
            # What staff look for: the timeline of a customer, and the ids that are in logs.
            models.Index(fields=("subject", "-received_at"), name="events_by_subject"),
            models.Index(fields=("object_id",), name="events_by_object"),
            models.Index(
                fields=("request_id",), condition=~Q(request_id=""), name="events_by_request"
            ),
            models.Index(
                fields=("idempotency_key",),
                condition=~Q(idempotency_key=""),
                name="events_by_idempotency_key",
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
