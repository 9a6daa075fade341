"""The one account that the sandbox is."""

from typing import Any

from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.sdk import response_shapes

Json = dict[str, Any]

_ID = "acct_1StripeSandbox000"
_CREATED = 1735689600


@handles("accounts.retrieve_current")
def retrieve(_call: Call) -> Json:
    """The account behind the key."""
    return response_shapes.new(
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
