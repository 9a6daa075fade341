"""Invoices, their lines and payments, and the items that wait for an invoice."""

from typing import TypedDict

from stripe_sandbox.objects.common import Json, Metadata, Period


class DiscountAmount(TypedDict):
    amount: int
    discount: str


class BilledSubscription(TypedDict):
    metadata: Metadata | None
    subscription: str
    subscription_proration_date: int | None


class InvoiceParent(TypedDict):
    quote_details: Json | None
    subscription_details: BilledSubscription | None
    type: str


class InvoiceLine(TypedDict):
    id: str
    object: str
    amount: int
    currency: str
    description: str | None
    discount_amounts: list[DiscountAmount]
    discountable: bool
    discounts: list[str]
    invoice: str | None
    livemode: bool
    metadata: Metadata
    parent: Json
    period: Period
    pretax_credit_amounts: list[Json]
    pricing: Json | None
    quantity: int
    quantity_decimal: str | None
    subscription: str | None
    subtotal: int
    taxes: list[Json]


class LineList(TypedDict):
    object: str
    data: list[InvoiceLine]
    has_more: bool
    total_count: int
    url: str


class Invoice(TypedDict):
    id: str
    object: str
    account_country: str | None
    account_name: str | None
    amount_due: int
    amount_overpaid: int
    amount_paid: int
    amount_remaining: int
    amount_shipping: int
    attempt_count: int
    attempted: bool
    auto_advance: bool
    automatic_tax: Json
    automatically_finalizes_at: int | None
    billing_reason: str | None
    collection_method: str
    created: int
    currency: str
    custom_fields: list[Json] | None
    customer: str
    customer_address: Json | None
    customer_email: str | None
    customer_name: str | None
    customer_phone: str | None
    customer_shipping: Json | None
    customer_tax_exempt: str | None
    customer_tax_ids: list[Json] | None
    default_payment_method: str | None
    default_tax_rates: list[str]
    description: str | None
    discounts: list[str]
    due_date: int | None
    effective_at: int | None
    ending_balance: int | None
    footer: str | None
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    issuer: Json
    last_finalization_error: Json | None
    lines: LineList
    livemode: bool
    metadata: Metadata
    next_payment_attempt: int | None
    number: str | None
    parent: InvoiceParent | None
    payment_settings: Json
    period_end: int
    period_start: int
    post_payment_credit_notes_amount: int
    pre_payment_credit_notes_amount: int
    receipt_number: str | None
    rendering: Json | None
    starting_balance: int
    statement_descriptor: str | None
    status: str
    status_details: Json | None
    status_transitions: dict[str, int | None]
    subtotal: int
    subtotal_excluding_tax: int | None
    test_clock: str | None
    total: int
    total_discount_amounts: list[DiscountAmount]
    total_excluding_tax: int | None
    total_pretax_credit_amounts: list[Json]
    total_taxes: list[Json]
    webhooks_delivered_at: int | None


class InvoiceItem(TypedDict):
    id: str
    object: str
    amount: int
    currency: str
    customer: str
    date: int
    description: str | None
    discountable: bool
    discounts: list[str]
    invoice: str | None
    livemode: bool
    metadata: Metadata
    net_amount: int | None
    parent: Json | None
    period: Period
    pricing: Json | None
    proration: bool
    proration_details: Json | None
    quantity: int
    quantity_decimal: str
    tax_rates: list[str]
    test_clock: str | None


class InvoicePayment(TypedDict):
    id: str
    object: str
    amount_paid: int | None
    amount_requested: int
    created: int
    currency: str
    invoice: str
    is_default: bool
    livemode: bool
    payment: Json
    status: str
    status_transitions: dict[str, int | None]
