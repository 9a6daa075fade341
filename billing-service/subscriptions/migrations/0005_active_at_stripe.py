"""What Stripe sells and what staff sell are two things: one no longer overwrites the other."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0004_stripe_account"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscriptionproduct",
            name="active_at_stripe",
            field=models.BooleanField(db_default=True, default=True, editable=False),
        ),
    ]
