"""What a restricted key has to be allowed, and what it is not."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from subscriptions.errors import PaymentGatewayRefused, PermissionMissing, StripeObjectNotFound
from subscriptions.stripe_gateway.client import call_unchecked

# No object has this id, so a call that names it changes nothing. Stripe looks at permissions first.
_NOTHING = "permission_check"


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something this service does at Stripe, and a call that shows whether the key may."""

    what: str
    method: Literal["get", "post"]
    path: str
    params: dict[str, Any] = field(default_factory=dict)


def _writes(what: str, path: str, **params: str) -> Need:
    return Need(what=f"write {what}", method="post", path=path, params=params)


def _reads(what: str, path: str) -> Need:
    return Need(what=f"read {what}", method="get", path=path, params={"limit": 1})


# Permission to write includes reading.
NEEDS = (
    _writes("customers", "/v1/customers/{}"),
    _writes("payment methods", "/v1/payment_methods/{}/detach"),
    _writes("setup intents", "/v1/setup_intents/{}/cancel"),
    _writes("subscriptions", "/v1/subscriptions/{}"),
    _writes("invoices", "/v1/invoices/{}/void"),
    _writes("checkout sessions", "/v1/checkout/sessions/{}/expire"),
    _writes("portal sessions", "/v1/billing_portal/sessions", customer=_NOTHING),
    _writes("products", "/v1/products/{}"),
    _writes("prices", "/v1/prices/{}"),
    _writes("webhook endpoints", "/v1/webhook_endpoints/{}"),
    _reads("events", "/v1/events"),
    _reads("payment intents", "/v1/payment_intents"),
    _reads("charges", "/v1/charges"),
    _reads("disputes", "/v1/disputes"),
    _reads("coupons", "/v1/coupons"),
)


def missing_permissions() -> Iterator[tuple[Need, str]]:
    """Yield what the key is not allowed, with Stripe's name of the permission if it tells it.

    Nothing is written, at Stripe or here.

    Raises:
        PaymentGatewayUnavailable: Stripe does not answer, or refuses the key altogether.
    """
    for need in NEEDS:
        try:
            # An answer that there is no such object is a yes.
            with contextlib.suppress(StripeObjectNotFound, PaymentGatewayRefused):
                call_unchecked(
                    need.method,
                    need.path,
                    *([_NOTHING] if "{}" in need.path else []),
                    params=need.params,
                    key=f"check:{uuid4()}" if need.method == "post" else None,
                )
        except PermissionMissing as refusal:
            yield need, refusal.permission
