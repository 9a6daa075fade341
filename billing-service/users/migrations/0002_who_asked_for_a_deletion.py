"""Remembers who asked for a deletion that the worker finishes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="deletion_requested_by",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="deletion_requested_from",
            field=models.CharField(blank=True, db_default="", editable=False, max_length=64),
        ),
    ]
