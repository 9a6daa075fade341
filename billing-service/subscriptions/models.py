"""Stripe's objects as this service knows them, and attempts to subscribe.

Rows that mirror Stripe are written by `sync` alone; everyone else reads them.
"""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from subscriptions.statuses import LIVE


class StripeAccount(models.Model):
    """The account at Stripe, and its mode, that this database was filled from; there is one row."""

    SINGLE_ROW_ID = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLE_ROW_ID, editable=False)
    # Empty if the key may not read its own account.
    account_id = models.CharField(max_length=255, blank=True)
    livemode = models.BooleanField()
    bound_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(id=1), name="subscriptions_stripeaccount_single_row"
            ),
        )

    def __str__(self) -> str:
        return f"{self.account_id} ({'live' if self.livemode else 'test'} mode)"


class Customer(models.Model):
    """A user as Stripe's customer; the id is empty until Stripe has made one.

    Its row is what every writer of a user's billing state locks.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="customers"
    )
    stripe_customer_id = models.CharField(max_length=255, unique=True, null=True, blank=True)
    # The ticket of the last look at Stripe that was written; no earlier one is written after it.
    sync_version = models.PositiveBigIntegerField(default=0)
    synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # The process that acts for the customer at Stripe holds the row until then.
    leased_until = models.DateTimeField(null=True, blank=True)
    # The page at Stripe on which the user may still subscribe; closed before we do it ourselves.
    checkout_session = models.CharField(max_length=255, blank=True, default="", db_default="")
    # The setup intent whose card a webhook made the default last; a repeated event changes nothing.
    last_applied_setup_intent = models.CharField(
        max_length=255, blank=True, default="", db_default="", db_column="adopted_setup"
    )
    # What was sent last, so that a change of the user's is noticed; empty: nothing.
    name_at_stripe = models.CharField(max_length=150, blank=True, default="", db_default="")
    email_at_stripe = models.CharField(max_length=254, blank=True, default="", db_default="")
    # Set when Stripe says that the customer was deleted; taken back if it turns out to exist.
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user",),
                condition=Q(deleted_at__isnull=True),
                name="one_customer_per_user",
            ),
        )
        permissions = (("link_customer", "Can link a customer at Stripe to a user"),)

    def __str__(self) -> str:
        return self.stripe_customer_id or f"customer {self.pk} (not at Stripe yet)"


class CustomerLink(models.Model):
    """A customer of Stripe's that was linked to a user by hand, and by whom."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="customer_links"
    )
    stripe_customer_id = models.CharField(max_length=255)
    # The user's customer until then, which stays at Stripe without a user.
    replaced_customer_id = models.CharField(max_length=255, blank=True)
    # None: on the command line.
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.stripe_customer_id}, {self.at:%Y-%m-%d %H:%M}"


class PaymentMethod(models.Model):
    """A customer's card at Stripe: what it looks like, never its number."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="payment_methods")
    stripe_payment_method_id = models.CharField(max_length=255, unique=True)
    brand = models.CharField(max_length=32, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    exp_month = models.PositiveSmallIntegerField(null=True, blank=True)
    exp_year = models.PositiveSmallIntegerField(null=True, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    detached_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.brand or 'card'} •••• {self.last4}"


class SubscriptionProduct(models.Model):
    """A product on sale, under the name callers use, with its price mirrored from Stripe."""

    name = models.SlugField(max_length=64, unique=True)
    price_reference = models.CharField(max_length=255, unique=True)
    stripe_product_id = models.CharField(max_length=255, blank=True)
    title = models.CharField(max_length=255, blank=True)
    unit_amount = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="In the currency's smallest unit."
    )
    # The same with fractions of it, for which `unit_amount` is empty.
    unit_amount_decimal = models.DecimalField(
        max_digits=24, decimal_places=12, null=True, blank=True
    )
    currency = models.CharField(max_length=3, blank=True)
    interval = models.CharField(max_length=8, blank=True)
    interval_count = models.PositiveSmallIntegerField(default=1)
    on_sale = models.BooleanField(
        default=True,
        help_text="Offered as a plan. Something that is only sold beside a plan is off sale.",
    )
    # Whether the price and its product can be bought at Stripe.
    active_at_stripe = models.BooleanField(default=True, db_default=True, editable=False)
    synced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("unit_amount_decimal", "name")

    def __str__(self) -> str:
        return self.name

    @property
    def is_free(self) -> bool:
        """Whether nothing is ever due for it. A price that Stripe has not described is not free."""
        return self.unit_amount_decimal == 0


class Subscription(models.Model):
    """A subscription as Stripe last described it.

    A user can have had several; one of those that are ours is `is_current`: the live one, else the
    newest.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="subscriptions")
    # Repeated from the customer so that the status query reads one row of one table.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions"
    )
    stripe_subscription_id = models.CharField(max_length=255, unique=True)
    stripe_item_id = models.CharField(max_length=255, blank=True)
    product = models.ForeignKey(
        SubscriptionProduct, on_delete=models.SET_NULL, null=True, blank=True
    )
    price_reference = models.CharField(max_length=255, blank=True)
    # The price it changes to once the difference is paid; Stripe forgets it after a day.
    pending_price_reference = models.CharField(
        max_length=255, blank=True, default="", db_default=""
    )
    unit_amount = models.PositiveBigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    interval = models.CharField(max_length=8, blank=True)
    interval_count = models.PositiveSmallIntegerField(default=1)
    stripe_status = models.CharField(max_length=32)
    # One of its prices is in our catalogue. Others in the account are kept for staff to see; they
    # are never current, counted or cancelled.
    is_ours = models.BooleanField(default=True, db_default=True)
    is_current = models.BooleanField(default=False)
    current_period_start = models.DateTimeField(null=True, blank=True)
    current_period_end = models.DateTimeField(null=True, blank=True)
    cancel_at_period_end = models.BooleanField(default=False)
    cancel_at = models.DateTimeField(null=True, blank=True)
    access_until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    latest_invoice_id = models.CharField(max_length=255, blank=True)
    latest_invoice_status = models.CharField(max_length=32, blank=True)
    hosted_invoice_url = models.URLField(max_length=2000, blank=True)
    payment_method_reference = models.CharField(max_length=255, blank=True)
    # How `pause_collection` treats invoices (`void`, …); empty while Stripe collects them.
    collection_paused = models.CharField(max_length=32, blank=True, default="", db_default="")
    # The dispute about a payment of it that is not decided; see `Dispute`.
    open_dispute = models.CharField(max_length=255, blank=True, default="", db_default="")
    purchased_at = models.DateTimeField()
    synced_at = models.DateTimeField()
    # Set when its customer was deleted at Stripe.
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user",),
                condition=Q(is_current=True),
                name="one_current_subscription_per_user",
            ),
        )
        indexes = (
            models.Index(fields=("stripe_status", "currency"), name="subscription_by_status"),
            models.Index(
                fields=("current_period_end",),
                condition=Q(is_current=True, stripe_status__in=("active", "trialing")),
                name="subscription_by_period_end",
            ),
        )

    def __str__(self) -> str:
        return self.stripe_subscription_id

    @property
    def is_live(self) -> bool:
        """Whether Stripe bills, or may again bill, for it."""
        return self.stripe_status in LIVE


class SubscriptionItem(models.Model):
    """One line of a subscription: a price, and how many of it.

    The item that is the plan is named in the subscription's row as well.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="items")
    stripe_item_id = models.CharField(max_length=255, unique=True)
    # Empty: it is another product's in the same account.
    product = models.ForeignKey(
        SubscriptionProduct, on_delete=models.SET_NULL, null=True, blank=True
    )
    price_reference = models.CharField(max_length=255)
    # Empty where usage is metered.
    quantity = models.PositiveBigIntegerField(null=True, blank=True)
    # Empty where the price depends on the quantity.
    unit_amount_decimal = models.DecimalField(
        max_digits=24, decimal_places=12, null=True, blank=True
    )
    currency = models.CharField(max_length=3, blank=True)
    interval = models.CharField(max_length=8, blank=True)
    interval_count = models.PositiveSmallIntegerField(default=1)
    current_period_end = models.DateTimeField(null=True, blank=True)
    # What is taken off each invoice, in order: a percentage, or an amount in the smallest unit, and
    # when that ends. Of an amount off a whole subscription, each item has its part.
    discounts: "models.JSONField[Any, Any]" = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.stripe_item_id


class SubscriptionChange(models.Model):
    """One change of what Stripe says about a subscription, for the timeline."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField(auto_now_add=True)
    cause = models.CharField(max_length=64)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    class Meta:
        indexes = (BrinIndex(fields=("at",), name="subscription_changes_by_time"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}, {self.cause}"


class _OfCharge(models.Model):
    """What became of a charge after it was paid."""

    stripe_id = models.CharField(max_length=255, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="%(class)ss")
    # None: the charge paid something else.
    subscription = models.ForeignKey(
        Subscription, on_delete=models.SET_NULL, null=True, blank=True, related_name="%(class)ss"
    )
    stripe_charge_id = models.CharField(max_length=255)
    amount = models.PositiveBigIntegerField(help_text="In the currency's smallest unit.")
    currency = models.CharField(max_length=3)
    stripe_status = models.CharField(max_length=32)
    reason = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.stripe_id} ({self.stripe_status})"


class Refund(_OfCharge):
    """A refund of a payment, in full or in part, as Stripe last described it."""


class Dispute(_OfCharge):
    """A dispute about a payment, or a bank's inquiry, as Stripe last described it."""


class SubscribeAttempt(models.Model):
    """One attempt of a user to subscribe; its id is in the idempotency keys it sends.

    It stays open, with the same keys, until its outcome at Stripe is known.
    """

    class State(models.TextChoices):
        """How the attempt ended, or that it has not."""

        OPEN = "open"
        SUCCEEDED = "succeeded"
        REQUIRES_ACTION = "requires_action"
        DECLINED = "declined"
        FAILED = "failed"
        SUPERSEDED = "superseded"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="attempts"
    )
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="attempts")
    product_name = models.CharField(max_length=64)
    # What the calls are made of, fixed here so that a resumed attempt sends the same parameters.
    price_reference = models.CharField(max_length=255)
    payment_method_reference = models.CharField(max_length=255)
    # Empty until Stripe knows the user.
    stripe_customer_id = models.CharField(max_length=255, blank=True)
    request_hash = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    source = models.GenericIPAddressField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    stripe_subscription_id = models.CharField(max_length=255, blank=True)
    # The answer a repeated Idempotency-Key gets again.
    refusal = models.JSONField(null=True, blank=True)
    # The step, idempotency key and request id of each call made at Stripe.
    calls = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    # Until then a process may send a call of it.
    leased_until = models.DateTimeField()
    # Until then it may make a new charge: a few minutes from when its user last asked for it.
    # None: an earlier version opened it.
    charge_until = models.DateTimeField(null=True, blank=True)
    # Taken over from a process that did not finish: look before anything is sent.
    resumed = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("user",), condition=Q(state="open"), name="one_open_attempt_per_user"
            ),
            models.UniqueConstraint(
                fields=("user", "idempotency_key"), name="one_attempt_per_idempotency_key"
            ),
        )
        indexes = (
            models.Index(
                fields=("leased_until",), condition=Q(state="open"), name="open_attempts_by_lease"
            ),
        )

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class CardFailure(models.Model):
    """A declined card, counted to slow down card testing."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    source = models.GenericIPAddressField(null=True, blank=True)
    # A hash of the payment method as it was sent, and Stripe's fingerprint if it sent one.
    reference = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64, blank=True)
    code = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)
    # The event that reported it, if no answer did: each counts once.
    stripe_event_id = models.CharField(max_length=255, null=True, blank=True, unique=True)

    class Meta:
        indexes = (
            models.Index(fields=("user", "at"), name="card_failures_by_user"),
            models.Index(fields=("source", "at"), name="card_failures_by_source"),
            models.Index(fields=("reference", "at"), name="card_failures_by_reference"),
            models.Index(fields=("fingerprint", "at"), name="card_failures_by_card"),
        )

    def __str__(self) -> str:
        return f"{self.code} at {self.at}"


class StartedSetup(models.Model):
    """A setup intent whose card is tried in the user's browser, past this service."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    source = models.GenericIPAddressField(null=True, blank=True)
    stripe_setup_intent_id = models.CharField(max_length=255, unique=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (
            models.Index(fields=("user", "at"), name="started_setups_by_user"),
            models.Index(fields=("source", "at"), name="started_setups_by_source"),
        )

    def __str__(self) -> str:
        return f"{self.stripe_setup_intent_id} at {self.at}"


class SecretRequest(models.Model):
    """A request for the client secret of a payment, with which a browser can try cards as well."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (models.Index(fields=("user", "at"), name="secret_requests_by_user"),)

    def __str__(self) -> str:
        return f"{self.user_id} at {self.at}"


class ReconcileRun(models.Model):
    """One comparison of our rows with Stripe's objects."""

    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    fix = models.BooleanField(default=False)
    # Begun by the nightly job, not by a person.
    nightly = models.BooleanField(default=False)
    # Where an interrupted run continues: the last customer row it has compared, then the last of
    # Stripe's customers it has looked for here.
    position = models.BigIntegerField(default=0)
    stripe_position = models.CharField(max_length=255, blank=True)
    customers_compared = models.PositiveIntegerField(default=0)
    drift: "models.JSONField[Any, Any]" = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}: {len(self.drift)} differences"

    @property
    def left(self) -> int:
        """How many differences are still there."""
        return sum(not each.get("repaired") for each in self.drift)
