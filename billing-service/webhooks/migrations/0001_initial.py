"""The first tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="WebhookEvent",
            fields=[
                ("id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=100)),
                ("subject", models.CharField(blank=True, max_length=255)),
                ("object_id", models.CharField(blank=True, max_length=255)),
                ("request_id", models.CharField(blank=True, max_length=255)),
                ("idempotency_key", models.CharField(blank=True, max_length=255)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("handled", "Handled"),
                            ("ignored", "Ignored"),
                            ("dead", "Dead"),
                        ],
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("stripe_created_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("handled_at", models.DateTimeField(blank=True, null=True)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["subject", "received_at"],
                        name="pending_events_by_subject",
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["received_at"],
                        name="pending_events_by_age",
                    ),
                    models.Index(
                        condition=models.Q(("state", "dead")),
                        fields=["received_at"],
                        name="dead_events_by_age",
                    ),
                    models.Index(fields=["-received_at"], name="events_by_age"),
                ],
            },
        ),
    ]
