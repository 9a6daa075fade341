"""Which optional fields Stripe leaves out instead of answering null.

The SDK's classes write `Optional` both for "may be null" and for "may be
missing", so this is the one part of the response contract that is written by
hand. Keys are the `object` name, followed by the path of the nested class.
"""

from fnmatch import fnmatchcase
from functools import cache

from stripe_sandbox.sdk.types import Record

# Every optional field is missing unless it has a value.
_SPARSE = (
    "account",
    "account.*",
    "*.LastPaymentError",
    "*.LastSetupError",
    "*.LastFinalizationError",
    "*.Consent*",
    "*.PhoneNumberCollection",
    "payment_intent.AmountDetails",
    "payment_intent.AmountDetails.*",
)

# One hash per type, named by the field `type`; only the one that applies is there.
_TYPED = (
    "payment_method",
    "charge.PaymentMethodDetails",
    "*.NextAction",
    "*.DestinationDetails",
    "*.PaymentMethodOptions",
    "payment_method.Card.Wallet",
)

_MISSING: dict[str, set[str]] = {
    "charge": {"authorization_code", "level3", "presentment_details", "refunds", "transfer"},
    "charge.PaymentMethodDetails.Card": {
        "capture_before",
        "description",
        "electronic_commerce_indicator",
        "iin",
        "issuer",
        "moto",
        "setup_credential_usage",
        "stored_credential_usage",
        "transaction_link_id",
    },
    "checkout.session": {"line_items", "presentment_details", "optional_items"},
    "coupon": {"applies_to", "currency_options"},
    "customer": {
        "business_name",
        "cash_balance",
        "individual_name",
        "invoice_credit_balance",
        "sources",
        "subscriptions",
        "tax",
        "tax_ids",
    },
    "event": {"account", "context"},
    "event.Data": {"previous_attributes"},
    "invoice": {
        "amount_paid_off_stripe",
        "confirmation_secret",
        "payments",
        "threshold_reason",
    },
    "payment_intent": {"hooks", "payment_details", "presentment_details"},
    "payment_intent.PaymentMethodOptions.Card": {
        "capture_method",
        "request_extended_authorization",
        "request_incremental_authorization",
        "request_multicapture",
        "request_overcapture",
        "require_cvc_recollection",
        "setup_credential_usage",
        "setup_future_usage",
        "statement_descriptor_suffix_kana",
        "statement_descriptor_suffix_kanji",
        "stored_credential_usage",
    },
    "payment_method": {"radar_options"},
    "payment_method.Card": {"description", "iin", "issuer"},
    "price": {"currency_options", "tiers"},
    "product": {"tax_details"},
    "promotion_code.Restrictions": {"currency_options"},
    "refund": {
        "description",
        "failure_balance_transaction",
        "failure_reason",
        "instructions_email",
        "next_action",
        "presentment_details",
    },
    "setup_intent": {"attach_to_self"},
    "setup_intent.PaymentMethodOptions.Card": {"setup_credential_usage"},
    "subscription": {"presentment_details"},
    "test_helpers.test_clock.StatusDetails": {"advancing"},
    "webhook_endpoint": {"secret"},
}


@cache
def may_be_missing(record: Record, root: str, name: str) -> bool:
    """Whether Stripe leaves this optional field out when it has no value.

    Args:
        record: The class the field belongs to.
        root: The `object` name of the resource the class is nested in.
        name: The field.
    """
    key = ".".join([root, *record.path[1:]])
    if name == "deleted" or name in _MISSING.get(key, ()):
        return True
    if any(fnmatchcase(key, pattern) for pattern in _SPARSE):
        return True
    if not any(fnmatchcase(key, pattern) for pattern in _TYPED):
        return False
    hashed = isinstance(record.fields[name].type, Record) and name != "billing_details"
    return hashed or name == "use_stripe_sdk"
