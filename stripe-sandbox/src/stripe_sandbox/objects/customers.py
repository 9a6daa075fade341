"""Customers, and what moves their balance."""

from typing import TypedDict

from stripe_sandbox.objects.common import Json, Metadata


class CustomerInvoiceSettings(TypedDict):
    custom_fields: list[Json] | None
    default_payment_method: str | None
    footer: str | None
    rendering_options: Json | None


class Customer(TypedDict):
    id: str
    object: str
    address: Json | None
    balance: int | None
    business_name: str | None
    created: int
    currency: str | None
    default_source: str | None
    delinquent: bool
    description: str | None
    discount: Json | None
    email: str | None
    individual_name: str | None
    invoice_prefix: str | None
    invoice_settings: CustomerInvoiceSettings
    livemode: bool
    metadata: Metadata
    name: str | None
    next_invoice_sequence: int
    phone: str | None
    preferred_locales: list[str] | None
    shipping: Json | None
    tax_exempt: str | None
    test_clock: str | None


class CustomerBalanceTransaction(TypedDict):
    id: str
    object: str
    amount: int
    checkout_session: str | None
    created: int
    credit_note: str | None
    currency: str
    customer: str
    description: str | None
    ending_balance: int
    invoice: str | None
    livemode: bool
    metadata: Metadata
    type: str
