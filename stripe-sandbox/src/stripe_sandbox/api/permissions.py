"""What a restricted key may do, when the sandbox is started with `--restricted`.

Restricted keys, which begin with `rk_`, have the permissions that the option lists; secret
keys, which begin with `sk_`, may do everything. Source: https://docs.stripe.com/keys/restricted-api-keys.
"""

from stripe_sandbox.errors import PermissionDenied
from stripe_sandbox.sdk.endpoints import Endpoint

# Stripe's name of the permission, by the first parts of the SDK's call.
_RESOURCES = {
    "accounts": "accounts_kyc_basic",
    "balance_transactions": "balance_transaction_source",
    "billing_portal": "customer_portal",
    "charges": "charge",
    "checkout.sessions": "checkout_session",
    "coupons": "coupon",
    "credit_notes": "credit_note",
    "customers": "customer",
    "customers.payment_methods": "payment_method",
    "customers.payment_sources": "source",
    "customers.tax_ids": "tax_id",
    "disputes": "dispute",
    "events": "event",
    "invoice_items": "invoice",
    "invoice_payments": "invoice",
    "invoices": "invoice",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "prices": "plan",
    "products": "product",
    "promotion_codes": "promotion_code",
    "refunds": "charge",
    "setup_intents": "setup_intent",
    "subscription_items": "subscription",
    "subscription_schedules": "subscription",
    "subscriptions": "subscription",
    "tax_rates": "tax_rate",
    "test_helpers.test_clocks": "test_clock",
    "webhook_endpoints": "webhook",
}

KNOWN = frozenset(
    f"{resource}_{action}" for resource in _RESOURCES.values() for action in ("read", "write")
)


def check_permission(
    key: str, endpoint: Endpoint, permissions: frozenset[str], *, account: str
) -> None:
    """Refuse a call that a restricted key may not make.

    Args:
        key: The API key of the request.
        endpoint: The call.
        permissions: What restricted keys may do, such as `customer_write`; writing
            includes reading.
        account: The id of the account, for the message.

    Raises:
        PermissionDenied: The key is restricted, and lacks the permission.
    """
    if not key.startswith("rk_"):
        return
    action = "read" if endpoint.verb == "GET" else "write"
    resource = _resource(endpoint.name)
    if {f"{resource}_{action}", f"{resource}_write"} & permissions:
        return
    raise PermissionDenied(
        f"The provided key '{key[:8]}{'*' * len(key[8:-4])}{key[-4:]}' does not have the required "
        f"permissions for this endpoint on account '{account}'. Having the "
        f"'rak_{resource}_{action}' permission would allow this request to continue."
    )


def _resource(call: str) -> str:
    """Stripe's word for what a call is about: that of the longest prefix in the table."""
    parts = call.split(".")
    for length in range(len(parts), 0, -1):
        found = _RESOURCES.get(".".join(parts[:length]))
        if found:
            return found
    return parts[0].removesuffix("s")
