"""Tells the nightly job's comparisons from people's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_initial")]

    operations = [
        migrations.AddField("reconcilerun", "nightly", models.BooleanField(default=False)),
    ]
