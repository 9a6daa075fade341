"""One lease, tickets for looks, and subscriptions of ours and of others; nothing is taken away."""

from django.db import migrations, models

_FOREIGN = """
UPDATE subscriptions_subscription AS s SET is_ours = false, is_current = false
WHERE s.product_id IS NULL AND NOT EXISTS (
    SELECT FROM subscriptions_subscribeattempt AS attempt
    WHERE attempt.stripe_subscription_id = s.stripe_subscription_id
)
"""
# Of a user whose current subscription turned out to be another product's, ours becomes current.
_OURS_IS_CURRENT = """
UPDATE subscriptions_subscription AS s SET is_current = true
FROM (
    SELECT DISTINCT ON (user_id) id FROM subscriptions_subscription AS ours
    WHERE is_ours
        AND user_id IN (SELECT user_id FROM subscriptions_subscription WHERE NOT is_ours)
        AND NOT EXISTS (
            SELECT FROM subscriptions_subscription AS other
            WHERE other.user_id = ours.user_id AND other.is_current
        )
    ORDER BY user_id, stripe_status IN ('active', 'trialing') DESC,
        stripe_status IN ('past_due', 'unpaid', 'paused') DESC,
        stripe_status NOT IN ('canceled', 'incomplete_expired') DESC, purchased_at DESC, id DESC
) AS best
WHERE s.id = best.id
"""


_FIRST_TICKET = """
SELECT setval('subscriptions_look_ticket',
    1000000 + coalesce((SELECT max(sync_version) FROM subscriptions_customer), 0))
"""


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0005_active_at_stripe"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="leased_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="subscribeattempt",
            name="charge_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="subscription",
            name="is_ours",
            field=models.BooleanField(db_default=True, default=True),
        ),
        # The column stays, for processes of the version before.
        migrations.AlterField(
            model_name="customer",
            name="adopted_setup",
            field=models.CharField(
                blank=True, db_column="adopted_setup", db_default="", default="", max_length=255
            ),
        ),
        migrations.RenameField("customer", "adopted_setup", "last_applied_setup_intent"),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("customer", "making_until")]
        ),
        # Higher than the versions that are stored, and than those that processes of the version
        # before go on counting during the upgrade.
        migrations.RunSQL(
            [
                "CREATE SEQUENCE subscriptions_look_ticket",
                _FIRST_TICKET,
            ],
            reverse_sql="DROP SEQUENCE subscriptions_look_ticket",
        ),
        migrations.RunSQL([_FOREIGN, _OURS_IS_CURRENT], reverse_sql=migrations.RunSQL.noop),
    ]
