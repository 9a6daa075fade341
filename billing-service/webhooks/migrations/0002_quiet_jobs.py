"""Stores jobs without announcing them."""

from django.db import migrations

# NOTIFY holds a lock of the whole database from before a commit until it is on disk, so that
# deliveries would be stored one after the other; the worker looks for jobs by itself instead.
# And nobody reads when a job was put into the queue.
_SILENCED = (
    "procrastinate_jobs_notify_queue_job_inserted_v1",
    "procrastinate_trigger_status_events_insert_v1",
)


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0001_initial"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE procrastinate_jobs DISABLE TRIGGER {trigger}",
            reverse_sql=f"ALTER TABLE procrastinate_jobs ENABLE TRIGGER {trigger}",
        )
        for trigger in _SILENCED
    ]
