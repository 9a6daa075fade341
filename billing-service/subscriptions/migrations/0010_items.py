"""The items of a subscription have rows, and prices may be fractions of the smallest unit."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0009_refunds_and_disputes"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="subscriptionproduct",
            options={"ordering": ("unit_amount_decimal", "name")},
        ),
        migrations.AddField(
            model_name="subscriptionproduct",
            name="unit_amount_decimal",
            field=models.DecimalField(blank=True, decimal_places=12, max_digits=24, null=True),
        ),
        migrations.AlterField(
            model_name="subscriptionproduct",
            name="on_sale",
            field=models.BooleanField(
                default=True,
                help_text="Offered as a plan. Something that is only sold beside a plan is off sale.",
            ),
        ),
        migrations.CreateModel(
            name="SubscriptionItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_item_id", models.CharField(max_length=255, unique=True)),
                ("price_reference", models.CharField(max_length=255)),
                ("quantity", models.PositiveBigIntegerField(blank=True, null=True)),
                (
                    "unit_amount_decimal",
                    models.DecimalField(blank=True, decimal_places=12, max_digits=24, null=True),
                ),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("interval", models.CharField(blank=True, max_length=8)),
                ("interval_count", models.PositiveSmallIntegerField(default=1)),
                ("current_period_end", models.DateTimeField(blank=True, null=True)),
                ("discounts", models.JSONField(blank=True, default=list)),
                (
                    "product",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="subscriptions.subscriptionproduct",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="subscriptions.subscription",
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
    ]
