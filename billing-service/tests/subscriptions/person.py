"""A user of the API, as the original's demo has one."""

import uuid
from typing import Any

from django.test import Client

from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.signing import signing_key

VISA = "4242424242424242"
NEEDS_AUTHENTICATION = "4000002500003155"
DECLINED = "4000000000000002"
NO_FUNDS = "4000000000009995"
FAILS_WHEN_CHARGED = "4000000000000341"


def card(number: str = VISA, **changes: Any) -> dict[str, Any]:
    """Return the original's card fields."""
    return {
        "card_number": number,
        "card_expiration_month": 12,
        "card_expiration_year": 2040,
        "card_cvc": 999,
    } | changes


class Person:
    """Calls the API with a token of their own."""

    def __init__(self, stripe: Sandbox, *, user_id: uuid.UUID | None = None) -> None:
        self.id = user_id or uuid.uuid4()
        self.stripe = stripe
        self.client = Client()
        self.headers = {"Authorization": f"JWT {signing_key().access_token(self.id)}"}

    def get(self, path: str, **headers: str) -> Any:
        """GET below /api/subscriptions/."""
        return self.client.get(f"/api/subscriptions/{path}", headers=self.headers | headers)

    def post(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        """POST JSON below /api/subscriptions/."""
        return self.client.post(
            f"/api/subscriptions/{path}",
            data=body or {},
            content_type="application/json",
            headers=self.headers | headers,
        )

    def subscribe(
        self, number: str = VISA, product: str = "basic_subscription", **headers: str
    ) -> Any:
        """Subscribe with a test card."""
        return self.post("subscribe", {"subscription_product": product} | card(number), **headers)

    def status(self) -> dict[str, Any]:
        """Return the status body."""
        answer = self.get("status")
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body

    def words(self) -> tuple[str, str]:
        """Return our word for the subscription's status, and Stripe's."""
        body = self.status()
        return body["status"], body["payment_gateway_status"]

    def hear_from_stripe(self) -> None:
        """Deliver what happened at Stripe since the last time, and let the worker handle it."""
        for event in self.stripe.new_events():
            assert deliver(event).status_code == 200
        process_events()
