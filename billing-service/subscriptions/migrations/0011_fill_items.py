"""What is known of items is copied; the next look at Stripe brings the rest of each subscription.

The columns of the plan's item stay where they were. Its quantity was never stored: 1 is what was
assumed.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

_ITEMS = """
INSERT INTO subscriptions_subscriptionitem
    (subscription_id, stripe_item_id, product_id, price_reference, quantity, unit_amount_decimal,
     currency, interval, interval_count, current_period_end, discounts)
SELECT id, stripe_item_id, product_id, price_reference, 1, unit_amount,
    currency, interval, interval_count, current_period_end, '[]'
FROM subscriptions_subscription WHERE stripe_item_id <> ''
ON CONFLICT (stripe_item_id) DO NOTHING
"""
_PRICES = """
UPDATE subscriptions_subscriptionproduct SET unit_amount_decimal = unit_amount
WHERE unit_amount_decimal IS NULL
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("subscriptions", "0010_items")]

    operations = [
        migrations.RunSQL([_ITEMS, _PRICES], reverse_sql=migrations.RunSQL.noop),
        AddIndexConcurrently(
            "subscriptionchange", BrinIndex(fields=["at"], name="subscription_changes_by_time")
        ),
    ]
