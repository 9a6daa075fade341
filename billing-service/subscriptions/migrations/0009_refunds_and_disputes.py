"""Refunds and disputes are kept, and subscriptions say what a dispute or a pause does to them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0008_period_ends"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="collection_paused",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        migrations.AddField(
            model_name="subscription",
            name="open_dispute",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("stripe_charge_id", models.CharField(max_length=255)),
                (
                    "amount",
                    models.PositiveBigIntegerField(help_text="In the currency's smallest unit."),
                ),
                ("currency", models.CharField(max_length=3)),
                ("stripe_status", models.CharField(max_length=32)),
                ("reason", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)ss",
                        to="subscriptions.customer",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="%(class)ss",
                        to="subscriptions.subscription",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("stripe_charge_id", models.CharField(max_length=255)),
                (
                    "amount",
                    models.PositiveBigIntegerField(help_text="In the currency's smallest unit."),
                ),
                ("currency", models.CharField(max_length=3)),
                ("stripe_status", models.CharField(max_length=32)),
                ("reason", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)ss",
                        to="subscriptions.customer",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="%(class)ss",
                        to="subscriptions.subscription",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
    ]
