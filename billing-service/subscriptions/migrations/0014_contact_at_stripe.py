"""Customers note which name and e-mail address Stripe has of their users."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0013_customer_links")]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="name_at_stripe",
            field=models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
        migrations.AddField(
            model_name="customer",
            name="email_at_stripe",
            field=models.CharField(blank=True, db_default="", default="", max_length=254),
        ),
    ]
