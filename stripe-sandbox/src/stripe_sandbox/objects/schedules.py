"""Subscription schedules: the phases that a subscription goes through. Prices are stored by id."""

from typing import TypedDict

from stripe_sandbox.objects.common import Json, Metadata
from stripe_sandbox.objects.subscriptions import BillingMode


class PhaseItem(TypedDict):
    discounts: list[Json]
    metadata: Metadata
    plan: str
    price: str
    quantity: int
    tax_rates: list[str]


class Phase(TypedDict):
    add_invoice_items: list[Json]
    billing_cycle_anchor: str | None
    collection_method: str | None
    currency: str
    default_payment_method: str | None
    description: str | None
    discounts: list[Json]
    end_date: int
    items: list[PhaseItem]
    metadata: Metadata
    proration_behavior: str
    start_date: int
    trial_end: int | None


class CurrentPhase(TypedDict):
    end_date: int
    start_date: int


class SubscriptionSchedule(TypedDict):
    id: str
    object: str
    billing_mode: BillingMode
    canceled_at: int | None
    completed_at: int | None
    created: int
    current_phase: CurrentPhase | None
    customer: str
    default_settings: Json
    end_behavior: str
    livemode: bool
    metadata: Metadata
    pause_schedules: list[Json]
    phases: list[Phase]
    released_at: int | None
    released_subscription: str | None
    status: str
    subscription: str | None
    test_clock: str | None
