"""Bulk actions: what a member of staff started for selected rows, and how far the worker is."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class BulkAction(models.Model):
    """An action on selected rows. Without `finished_at` the worker is to go on with it."""

    # `app.model` of the rows, and the name of the action on their page.
    model = models.CharField(max_length=200)
    action = models.CharField(max_length=100)
    description = models.CharField(max_length=200)
    # Of the selected ids. Two clicks on the same button select the same rows.
    digest = models.CharField(max_length=64)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    # The address of their browser, for auth-service's audit log.
    started_from = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Why it waits, if something cannot be reached.
    waits_for = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("model", "action", "digest"),
                condition=Q(finished_at=None),
                name="one_bulk_action_at_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"{self.description}, {self.started_at:%Y-%m-%d %H:%M}"


class BulkActionItem(models.Model):
    """One of the selected rows, and what became of it."""

    class State(models.TextChoices):
        """How far the row is."""

        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"
        STOPPED = "stopped"

    bulk_action = models.ForeignKey(BulkAction, on_delete=models.CASCADE, related_name="items")
    # No name: the page reads it from the row, where a deletion removes personal data.
    object_id = models.CharField(max_length=255)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    sentence = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=("bulk_action", "state", "id"), name="bulk_action_items_by_state")
        ]

    def __str__(self) -> str:
        return f"{self.object_id}: {self.state}"
