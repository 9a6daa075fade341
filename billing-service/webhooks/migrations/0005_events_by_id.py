"""Events are found by the ids that staff look for, with indexes made beside the writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("webhooks", "0004_due_events")]

    operations = [
        AddIndexConcurrently(
            "webhookevent",
            models.Index(fields=["subject", "-received_at"], name="events_by_subject"),
        ),
        AddIndexConcurrently(
            "webhookevent",
            models.Index(fields=["object_id"], name="events_by_object"),
        ),
        AddIndexConcurrently(
            "webhookevent",
            models.Index(
                condition=models.Q(("request_id", ""), _negated=True),
                fields=["request_id"],
                name="events_by_request",
            ),
        ),
        AddIndexConcurrently(
            "webhookevent",
            models.Index(
                condition=models.Q(("idempotency_key", ""), _negated=True),
                fields=["idempotency_key"],
                name="events_by_idempotency_key",
            ),
        ),
    ]
