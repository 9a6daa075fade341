"""The account at Stripe that the database was filled from; written at the first call."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0003_pages_setups_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="StripeAccount",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.CharField(blank=True, max_length=255)),
                ("livemode", models.BooleanField()),
                ("bound_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)),
                        name="subscriptions_stripeaccount_single_row",
                    )
                ],
            },
        ),
    ]
