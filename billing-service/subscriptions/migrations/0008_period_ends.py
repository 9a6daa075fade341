"""Subscriptions whose paid period has ended are found by an index, made beside the writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("subscriptions", "0007_started_setups")]

    operations = [
        AddIndexConcurrently(
            "subscription",
            models.Index(
                condition=models.Q(
                    ("is_current", True), ("stripe_status__in", ("active", "trialing"))
                ),
                fields=["current_period_end"],
                name="subscription_by_period_end",
            ),
        ),
    ]
