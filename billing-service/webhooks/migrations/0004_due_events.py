"""Due events are found by an index, made beside the writes that go on."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("webhooks", "0003_events_are_the_queue")]

    operations = [
        AddIndexConcurrently(
            "webhookevent",
            models.Index(
                condition=models.Q(("state", "pending")),
                fields=["next_attempt_at"],
                name="pending_events_by_next_attempt",
            ),
        ),
    ]
