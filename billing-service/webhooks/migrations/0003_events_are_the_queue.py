"""The table of events is the queue; the job library's own triggers are back."""

from django.db import migrations, models
from django.db.models.functions import Now

_TRIGGERS = (
    "procrastinate_jobs_notify_queue_job_inserted_v1",
    "procrastinate_trigger_status_events_insert_v1",
)


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0002_quiet_jobs")]

    operations = [
        # What the version before stored, or goes on storing during the upgrade, is due at once.
        migrations.AddField(
            model_name="webhookevent",
            name="next_attempt_at",
            field=models.DateTimeField(db_default=Now()),
        ),
        *(
            migrations.RunSQL(
                f"ALTER TABLE procrastinate_jobs ENABLE TRIGGER {trigger}",
                reverse_sql=f"ALTER TABLE procrastinate_jobs DISABLE TRIGGER {trigger}",
            )
            for trigger in _TRIGGERS
        ),
    ]
