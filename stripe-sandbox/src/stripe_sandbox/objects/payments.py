"""Payment methods, the intents that use them, and the money that moved."""

from typing import Literal, TypedDict

from stripe_sandbox.objects.common import Json, Metadata


class PaymentMethod(TypedDict):
    id: str
    object: str
    allow_redisplay: str | None
    billing_details: Json
    card: Json
    created: int
    customer: str | None
    livemode: bool
    metadata: Metadata
    type: str


class PaymentIntent(TypedDict):
    id: str
    object: Literal["payment_intent"]
    amount: int
    amount_capturable: int
    amount_details: Json | None
    amount_received: int
    automatic_payment_methods: Json | None
    canceled_at: int | None
    cancellation_reason: str | None
    capture_method: str
    client_secret: str | None
    confirmation_method: str
    created: int
    currency: str
    customer: str | None
    description: str | None
    last_payment_error: Json | None
    latest_charge: str | None
    livemode: bool
    metadata: Metadata
    next_action: Json | None
    payment_details: Json | None
    payment_method: str | None
    payment_method_options: Json | None
    payment_method_types: list[str]
    processing: Json | None
    receipt_email: str | None
    setup_future_usage: str | None
    shipping: Json | None
    source: str | None
    statement_descriptor: str | None
    statement_descriptor_suffix: str | None
    status: str


class SetupIntent(TypedDict):
    id: str
    object: Literal["setup_intent"]
    automatic_payment_methods: Json | None
    cancellation_reason: str | None
    client_secret: str | None
    created: int
    customer: str | None
    description: str | None
    last_setup_error: Json | None
    livemode: bool
    mandate: str | None
    metadata: Metadata
    next_action: Json | None
    payment_method: str | None
    payment_method_options: Json | None
    payment_method_types: list[str]
    status: str
    usage: str


class Charge(TypedDict):
    id: str
    object: str
    amount: int
    amount_captured: int
    amount_refunded: int
    balance_transaction: str | None
    billing_details: Json
    calculated_statement_descriptor: str | None
    captured: bool
    created: int
    currency: str
    customer: str | None
    description: str | None
    dispute: str | None
    disputed: bool
    failure_balance_transaction: str | None
    failure_code: str | None
    failure_message: str | None
    fraud_details: Json | None
    livemode: bool
    metadata: Metadata
    outcome: Json | None
    paid: bool
    payment_intent: str | None
    payment_method: str | None
    payment_method_details: Json | None
    receipt_email: str | None
    receipt_number: str | None
    receipt_url: str | None
    refunded: bool
    shipping: Json | None
    source: Json | None
    source_transfer: str | None
    statement_descriptor: str | None
    statement_descriptor_suffix: str | None
    status: str


class Refund(TypedDict):
    id: str
    object: str
    amount: int
    balance_transaction: str | None
    charge: str | None
    created: int
    currency: str
    customer: str | None
    description: str | None
    destination_details: Json | None
    failure_balance_transaction: str | None
    failure_reason: str | None
    instructions_email: str | None
    metadata: Metadata
    next_action: Json | None
    payment_intent: str | None
    payment_method: str | None
    pending_reason: str | None
    reason: str | None
    receipt_number: str | None
    source_transfer_reversal: str | None
    status: str | None
    transfer_reversal: str | None


class Dispute(TypedDict):
    id: str
    object: str
    amount: int
    balance_transactions: list[str]
    charge: str
    created: int
    currency: str
    evidence: Json
    evidence_details: Json
    is_charge_refundable: bool
    livemode: bool
    metadata: Metadata
    payment_intent: str | None
    payment_method_details: Json | None
    reason: str
    status: str


class BalanceTransaction(TypedDict):
    id: str
    object: str
    amount: int
    available_on: int
    balance_type: str
    created: int
    currency: str
    description: str | None
    exchange_rate: float | None
    fee: int
    fee_details: list[Json]
    net: int
    reporting_category: str
    source: str | None
    status: str
    type: str
