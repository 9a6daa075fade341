"""Sessions of the pages that Stripe hosts: Checkout and the customer portal."""

from typing import TypedDict

from stripe_sandbox.objects.common import Json, Metadata


class CheckoutSession(TypedDict):
    id: str
    object: str
    adaptive_pricing: Json | None
    after_expiration: Json | None
    allow_promotion_codes: bool | None
    amount_subtotal: int | None
    amount_total: int | None
    automatic_tax: Json
    billing_address_collection: str | None
    cancel_url: str | None
    client_reference_id: str | None
    client_secret: str | None
    collected_information: Json | None
    consent: Json | None
    consent_collection: Json | None
    created: int
    currency: str | None
    custom_fields: list[Json]
    custom_text: Json
    customer: str | None
    customer_creation: str | None
    customer_details: Json | None
    customer_email: str | None
    discounts: list[Json] | None
    expires_at: int
    invoice: str | None
    invoice_creation: Json | None
    livemode: bool
    locale: str | None
    metadata: Metadata
    mode: str
    payment_intent: str | None
    payment_method_collection: str | None
    payment_method_options: Json | None
    payment_method_types: list[str]
    payment_status: str
    permissions: Json | None
    phone_number_collection: Json | None
    redirect_on_completion: str | None
    return_url: str | None
    setup_intent: str | None
    shipping_address_collection: Json | None
    shipping_options: list[Json]
    status: str
    submit_type: str | None
    subscription: str | None
    success_url: str | None
    tax_id_collection: Json | None
    total_details: Json | None
    ui_mode: str | None
    url: str | None


class PortalSession(TypedDict):
    id: str
    object: str
    after_expiration: Json | None
    configuration: str
    created: int
    customer: str
    flow: Json | None
    livemode: bool
    locale: str | None
    return_url: str | None
    url: str


class PortalConfiguration(TypedDict):
    id: str
    object: str
    active: bool
    business_profile: Json
    created: int
    default_return_url: str | None
    features: Json
    is_default: bool
    livemode: bool
    login_page: Json
    metadata: Metadata
    name: str | None
    updated: int
