"""Subscriptions and their items. An item stores its price and plan by id."""

from typing import Literal, TypedDict

from stripe_sandbox.objects.common import Json, Metadata


class CancellationDetails(TypedDict):
    comment: str | None
    feedback: str | None
    reason: str | None


class PauseCollection(TypedDict):
    behavior: str
    resumes_at: int | None


class BillingMode(TypedDict):
    flexible: Json | None
    type: str
    updated_at: int | None


class SubscriptionItem(TypedDict):
    id: str
    object: str
    billed_until: int | None
    billing_thresholds: Json | None
    created: int
    current_period_end: int
    current_period_start: int
    current_trial: Json | None
    discounts: list[str]
    metadata: Metadata
    plan: str
    price: str
    quantity: int
    subscription: str
    tax_rates: list[str]


class ItemList(TypedDict):
    object: str
    data: list[SubscriptionItem]
    has_more: bool
    total_count: int
    url: str


class PendingUpdate(TypedDict):
    billing_cycle_anchor: int | None
    cancel_at_period_end: bool | None
    discount: Json | None
    discounts: list[str] | None
    expires_at: int
    metadata: Metadata | None
    subscription_items: list[SubscriptionItem] | None
    trial_end: int | None
    trial_from_plan: bool | None


class Subscription(TypedDict):
    id: str
    object: Literal["subscription"]
    automatic_tax: Json
    billing_cycle_anchor: int
    billing_cycle_anchor_config: Json | None
    billing_mode: BillingMode
    billing_schedules: list[Json]
    billing_thresholds: Json | None
    cancel_at: int | None
    cancel_at_period_end: bool
    canceled_at: int | None
    cancellation_details: CancellationDetails
    collection_method: str
    created: int
    currency: str
    customer: str
    days_until_due: int | None
    default_payment_method: str | None
    default_tax_rates: list[str]
    description: str | None
    discounts: list[str]
    ended_at: int | None
    invoice_settings: Json
    items: ItemList
    latest_invoice: str | None
    livemode: bool
    metadata: Metadata
    next_pending_invoice_item_invoice: int | None
    pause_collection: PauseCollection | None
    payment_settings: Json | None
    pending_invoice_item_interval: Json | None
    pending_setup_intent: str | None
    pending_update: PendingUpdate | None
    schedule: str | None
    start_date: int
    status: str
    status_details: Json | None
    test_clock: str | None
    trial_end: int | None
    trial_settings: Json | None
    trial_start: int | None
