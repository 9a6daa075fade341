"""A subscriber on Stripe's test clock, whose renewals tests let come and fail."""

from datetime import datetime
from typing import Any

from tests.subscriptions.person import Person
from users.mirror import mirror_user


class Renewals:
    """A subscription to the basic product that began at some moment.

    Args:
        person: Who subscribes.
        begin: When.
        terms: Further parameters of the subscription.
    """

    def __init__(self, person: Person, begin: datetime, **terms: Any) -> None:
        mirror_user(person.id)
        self._stripe = person.stripe
        self._clock = self._stripe.post(
            "/v1/test_helpers/test_clocks", frozen_time=int(begin.timestamp())
        )["id"]
        self.customer: str = self._stripe.post(
            "/v1/customers",
            **{
                "test_clock": self._clock,
                "email": "ada@example.test",
                "payment_method": "pm_card_visa",
                "invoice_settings[default_payment_method]": "pm_card_visa",
                "metadata[billing_service_user_id]": str(person.id),
            },
        )["id"]
        self.subscription: str = self._stripe.post(
            "/v1/subscriptions",
            **{"customer": self.customer, "items[0][price]": "price_sandbox_basic"},
            **terms,
        )["id"]

    def pay_with(self, payment_method: str) -> str:
        """Let the customer's invoices be paid with another card from now on."""
        path = f"/v1/payment_methods/{payment_method}/attach"
        attached: str = self._stripe.post(path, customer=self.customer)["id"]
        default = {"invoice_settings[default_payment_method]": attached}
        self._stripe.post(f"/v1/customers/{self.customer}", **default)
        return attached

    def advance(self, to: datetime) -> None:
        """Let time pass at Stripe."""
        path = f"/v1/test_helpers/test_clocks/{self._clock}"
        self._stripe.post(f"{path}/advance", frozen_time=int(to.timestamp()))
        for _ in range(100):
            if self._stripe.get(path)["status"] == "ready":
                return
        raise AssertionError("the clock does not arrive")

    def change(self, **changes: Any) -> dict[str, Any]:
        """Change the subscription as someone else would."""
        return self._stripe.post(f"/v1/subscriptions/{self.subscription}", **changes)

    def invoices(self, status: str) -> list[dict[str, Any]]:
        """Return the subscription's invoices in a state, newest first."""
        return self._stripe.all("/v1/invoices", subscription=self.subscription, status=status)
