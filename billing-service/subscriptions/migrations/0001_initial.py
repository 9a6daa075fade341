"""The first tables."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReconcileRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("fix", models.BooleanField(default=False)),
                ("position", models.BigIntegerField(default=0)),
                ("stripe_position", models.CharField(blank=True, max_length=255)),
                ("customers_compared", models.PositiveIntegerField(default=0)),
                ("drift", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="SubscriptionProduct",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.SlugField(max_length=64, unique=True)),
                ("price_reference", models.CharField(max_length=255, unique=True)),
                ("stripe_product_id", models.CharField(blank=True, max_length=255)),
                ("title", models.CharField(blank=True, max_length=255)),
                (
                    "unit_amount",
                    models.PositiveBigIntegerField(
                        blank=True, help_text="In the currency's smallest unit.", null=True
                    ),
                ),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("interval", models.CharField(blank=True, max_length=8)),
                ("interval_count", models.PositiveSmallIntegerField(default=1)),
                ("on_sale", models.BooleanField(default=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ("unit_amount", "name"),
            },
        ),
        migrations.CreateModel(
            name="Customer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "stripe_customer_id",
                    models.CharField(blank=True, max_length=255, null=True, unique=True),
                ),
                ("sync_version", models.PositiveBigIntegerField(default=0)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="customers",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentMethod",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_payment_method_id", models.CharField(max_length=255, unique=True)),
                ("brand", models.CharField(blank=True, max_length=32)),
                ("last4", models.CharField(blank=True, max_length=4)),
                ("exp_month", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("exp_year", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("is_default", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("detached_at", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="payment_methods",
                        to="subscriptions.customer",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SubscribeAttempt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("product_name", models.CharField(max_length=64)),
                ("price_reference", models.CharField(max_length=255)),
                ("payment_method_reference", models.CharField(max_length=255)),
                ("stripe_customer_id", models.CharField(blank=True, max_length=255)),
                ("request_hash", models.CharField(max_length=64)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("source", models.GenericIPAddressField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("succeeded", "Succeeded"),
                            ("requires_action", "Requires Action"),
                            ("declined", "Declined"),
                            ("failed", "Failed"),
                            ("superseded", "Superseded"),
                        ],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("stripe_subscription_id", models.CharField(blank=True, max_length=255)),
                ("refusal", models.JSONField(blank=True, null=True)),
                ("calls", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("leased_until", models.DateTimeField()),
                ("resumed", models.BooleanField(default=False)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="subscriptions.customer",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stripe_subscription_id", models.CharField(max_length=255, unique=True)),
                ("stripe_item_id", models.CharField(blank=True, max_length=255)),
                ("price_reference", models.CharField(blank=True, max_length=255)),
                ("unit_amount", models.PositiveBigIntegerField(blank=True, null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("interval", models.CharField(blank=True, max_length=8)),
                ("interval_count", models.PositiveSmallIntegerField(default=1)),
                ("stripe_status", models.CharField(max_length=32)),
                ("is_current", models.BooleanField(default=False)),
                ("current_period_start", models.DateTimeField(blank=True, null=True)),
                ("current_period_end", models.DateTimeField(blank=True, null=True)),
                ("cancel_at_period_end", models.BooleanField(default=False)),
                ("cancel_at", models.DateTimeField(blank=True, null=True)),
                ("access_until", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("latest_invoice_id", models.CharField(blank=True, max_length=255)),
                ("latest_invoice_status", models.CharField(blank=True, max_length=32)),
                ("hosted_invoice_url", models.URLField(blank=True, max_length=2000)),
                ("payment_method_reference", models.CharField(blank=True, max_length=255)),
                ("purchased_at", models.DateTimeField()),
                ("synced_at", models.DateTimeField()),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscriptions",
                        to="subscriptions.customer",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="subscriptions.subscriptionproduct",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SubscriptionChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("cause", models.CharField(max_length=64)),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="subscriptions.subscription",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardFailure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source", models.GenericIPAddressField(blank=True, null=True)),
                ("reference", models.CharField(max_length=64)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("code", models.CharField(max_length=64)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["user", "at"], name="card_failures_by_user"),
                    models.Index(fields=["source", "at"], name="card_failures_by_source"),
                    models.Index(fields=["reference", "at"], name="card_failures_by_reference"),
                    models.Index(fields=["fingerprint", "at"], name="card_failures_by_card"),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=("user",),
                name="one_customer_per_user",
            ),
        ),
        migrations.AddIndex(
            model_name="subscribeattempt",
            index=models.Index(
                condition=models.Q(("state", "open")),
                fields=["leased_until"],
                name="open_attempts_by_lease",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscribeattempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("user",),
                name="one_open_attempt_per_user",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscribeattempt",
            constraint=models.UniqueConstraint(
                fields=("user", "idempotency_key"), name="one_attempt_per_idempotency_key"
            ),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(fields=["stripe_status", "currency"], name="subscription_by_status"),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_current", True)),
                fields=("user",),
                name="one_current_subscription_per_user",
            ),
        ),
    ]
