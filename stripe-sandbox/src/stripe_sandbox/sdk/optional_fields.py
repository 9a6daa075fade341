"""Which optional fields Stripe leaves out instead of answering null.

The SDK's classes write `Optional` both for "may be null" and for "may be
missing". What is what is learned from recorded answers of Stripe, 2025-10-29.clover
and 2026-03-25.dahlia: of the hashes in `_LEFT_OUT` they show every optional field
but the ones that are named. Three habits hold in all of them and are rules here:
one hash of many is there, the one that `type` names; options that are not set are
left out; a field that is only included on request is left out without one.
For other hashes, and for fields that are newer than the recordings, null is a guess.

Keys are the `object` name, followed by the path of the nested class.
"""

from fnmatch import fnmatchcase
from functools import cache

from stripe_sandbox.sdk.types import Record

# Every optional field is left out unless it has a value.
_SPARSE = (
    "account",
    "account.*",
    "*.LastPaymentError",
    "*.LastSetupError",
    "*.LastFinalizationError",
    "*.Consent*",
    "*.FraudDetails",
    "*.Issuer",
    "*.Liability",
    "*.PaymentMethodOptions.*",
    "*.RadarOptions",
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

# Options that are answered as null where they are not set.
_NULL_OPTIONS = {
    "afterpay_clearpay": {"reference"},
    "card": {"installments", "mandate_options", "network"},
    "klarna": {"preferred_locale"},
    "link": {"persistent_token"},
    "wechat_pay": {"app_id", "client"},
}

# Fields that are answered only where a caller expands them.
_INCLUDED_ON_REQUEST = {
    "charge": {"refunds"},
    "checkout.session": {"line_items"},
    "coupon": {"applies_to", "currency_options"},
    "customer": {
        "cash_balance",
        "invoice_credit_balance",
        "sources",
        "subscriptions",
        "tax",
        "tax_ids",
    },
    "invoice": {"confirmation_secret", "payments"},
    "plan": {"tiers"},
    "price": {"currency_options", "tiers"},
    "promotion_code.Restrictions": {"currency_options"},
}

_LEFT_OUT: dict[str, set[str]] = {
    "card": {
        "account",
        "available_payout_methods",
        "currency",
        "default_for_currency",
        "description",
        "iin",
        "issuer",
        "networks",
        "status",
    },
    "charge": {"authorization_code", "level3", "presentment_details", "transfer"},
    "charge.Outcome": {"rule"},
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
    "checkout.session": {
        "excluded_payment_method_types",
        "name_collection",
        "optional_items",
        "presentment_details",
        "redirect_on_completion",
        "return_url",
        "tax_id_collection",
    },
    "checkout.session.TotalDetails": {"breakdown"},
    "customer": {"business_name", "individual_name"},
    "event": {"account", "context"},
    "event.Data": {"previous_attributes"},
    "invoice": {"amount_paid_off_stripe", "threshold_reason"},
    "invoice.Parent.SubscriptionDetails": {"subscription_proration_date"},
    "invoice.TotalPretaxCreditAmount": {"credit_balance_transaction", "discount"},
    "invoice_payment.Payment": {"charge", "payment_intent", "payment_record"},
    "invoiceitem": {"proration_details"},
    "line_item": {"subscription"},
    "line_item.PretaxCreditAmount": {"credit_balance_transaction", "discount"},
    "payment_intent": {"hooks", "payment_details", "presentment_details"},
    "payment_method": {"radar_options"},
    "payment_method.Card": {"description", "iin", "issuer"},
    "product": {"tax_details"},
    "refund": {
        "description",
        "failure_balance_transaction",
        "failure_reason",
        "instructions_email",
        "next_action",
        "pending_reason",
        "presentment_details",
    },
    "refund.DestinationDetails.Card": {"reference"},
    "setup_intent": {"attach_to_self"},
    "subscription": {"presentment_details"},
    "test_helpers.test_clock.StatusDetails": {"advancing"},
    "webhook_endpoint": {"secret"},
}


def included_on_request(record: Record, name: str) -> bool:
    """Whether this field of a resource is answered only where a caller expands it."""
    return name in _INCLUDED_ON_REQUEST.get(record.object_name or "", ())


@cache
def may_be_missing(record: Record, root: str, name: str) -> bool:
    """Whether Stripe leaves this optional field out when it has no value.

    Args:
        record: The class the field belongs to.
        root: The `object` name of the resource the class is nested in.
        name: The field.
    """
    key = ".".join([root, *record.path[1:]])
    if name == "deleted" or name in _LEFT_OUT.get(key, ()):
        return True
    if name in _INCLUDED_ON_REQUEST.get(key, ()):
        return True
    if any(fnmatchcase(key, pattern) for pattern in _SPARSE):
        return name not in _null_options(record)
    if not any(fnmatchcase(key, pattern) for pattern in _TYPED):
        return False
    hashed = isinstance(record.fields[name].type, Record) and name != "billing_details"
    return hashed or name == "use_stripe_sdk"


def _null_options(record: Record) -> set[str]:
    """The options of a payment method type, found by the name of their class."""
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in record.path[-1])
    return _NULL_OPTIONS.get(words.removeprefix("_"), set())
