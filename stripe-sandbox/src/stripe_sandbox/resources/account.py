"""The one account that the sandbox is."""

from typing import Any

from stripe_sandbox import shapes
from stripe_sandbox.registry import Call, handles

Json = dict[str, Any]

_ID = "acct_1StripeSandbox000"
_CREATED = 1735689600


@handles("accounts.retrieve_current")
def retrieve(_call: Call) -> Json:
    """The account behind the key."""
    return shapes.new(
        "account",
        {
            "id": _ID,
            "business_type": "company",
            "charges_enabled": True,
            "country": "US",
            "created": _CREATED,
            "default_currency": "usd",
            "details_submitted": True,
            "email": "sandbox@example.com",
            "payouts_enabled": True,
            "type": "standard",
        },
    )
