"""What is sold: products, prices, coupons, promotion codes and the discounts they give."""

from typing import TypedDict

from stripe_sandbox.objects.common import Json, Metadata


class Recurring(TypedDict):
    interval: str
    interval_count: int
    meter: str | None
    trial_period_days: int | None
    usage_type: str


class TransformQuantity(TypedDict):
    divide_by: int
    round: str


class DiscountSource(TypedDict):
    coupon: str | None
    type: str


class Product(TypedDict):
    id: str
    object: str
    active: bool
    created: int
    default_price: str | None
    description: str | None
    images: list[str]
    livemode: bool
    marketing_features: list[Json]
    metadata: Metadata
    name: str
    package_dimensions: Json | None
    shippable: bool | None
    statement_descriptor: str | None
    tax_code: str | None
    type: str
    unit_label: str | None
    updated: int
    url: str | None


class Price(TypedDict):
    id: str
    object: str
    active: bool
    billing_scheme: str
    created: int
    currency: str
    custom_unit_amount: Json | None
    livemode: bool
    lookup_key: str | None
    metadata: Metadata
    nickname: str | None
    product: str
    recurring: Recurring | None
    tax_behavior: str | None
    tiers_mode: str | None
    transform_quantity: TransformQuantity | None
    type: str
    unit_amount: int | None
    unit_amount_decimal: str


class Coupon(TypedDict):
    id: str
    object: str
    amount_off: int | None
    applies_to: Json | None
    created: int
    currency: str | None
    duration: str
    duration_in_months: int | None
    livemode: bool
    max_redemptions: int | None
    metadata: Metadata
    name: str | None
    percent_off: float | None
    redeem_by: int | None
    times_redeemed: int
    valid: bool


class PromotionCode(TypedDict):
    id: str
    object: str
    active: bool
    code: str
    created: int
    customer: str | None
    expires_at: int | None
    livemode: bool
    max_redemptions: int | None
    metadata: Metadata
    promotion: Json
    restrictions: Json
    times_redeemed: int


class Discount(TypedDict):
    id: str
    object: str
    checkout_session: str | None
    customer: str | None
    end: int | None
    invoice: str | None
    invoice_item: str | None
    promotion_code: str | None
    source: DiscountSource
    start: int
    subscription: str | None
    subscription_item: str | None
