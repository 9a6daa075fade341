"""The account of the data file: each file has one of its own."""

from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.sdk import response_shapes

_CREATED = 1735689600


@handles("accounts.retrieve_current")
def retrieve(call: Call) -> Thing:
    """The account behind the key."""
    return response_shapes.new(
        "account",
        {
            "id": call.work.store.account_id,
            "business_profile": {"name": call.work.store.account_name},
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
