"""Pages and setups at Stripe are remembered, and changes that wait for payment."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0002_nightly_runs"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="adopted_setup",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="customer",
            name="checkout_session",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="customer",
            name="making_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="subscription",
            name="pending_price_reference",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
    ]
