"""The sentences that scenario tests are made of."""

import time
from typing import Any

import httpx

from tests import plain_http
from tests.server import Server

DAY = 86400
HOUR = 3600
# 1 January 2026; clocks of scenarios begin here.
NEW_YEAR = 1767225600
BASIC = "price_sandbox_basic"
PRO = "price_sandbox_pro"
EXPANDED = ["latest_invoice.payments.data.payment.payment_intent"]


class Scene:
    """Makes customers and subscriptions, on a test clock of their own if asked."""

    def __init__(self, server: Server, client: Any) -> None:
        self.server = server
        self.client = client
        self.v1 = client.v1
        self.clock: Any = None
        self._began = int(time.time())

    def on_a_clock(self) -> "Scene":
        """Let everything made from now on live on a test clock."""
        self.clock = self.v1.test_helpers.test_clocks.create({"frozen_time": NEW_YEAR})
        return self

    def customer(self, card: str | None = "pm_card_visa", **values: Any) -> Any:
        """A customer who pays with a test card."""
        if card:
            values["payment_method"] = card
            values["invoice_settings"] = {"default_payment_method": card}
        if self.clock:
            values["test_clock"] = self.clock.id
        return self.v1.customers.create(values)

    def subscription(self, customer: Any, price: str = BASIC, **values: Any) -> Any:
        """A subscription, with its invoice's payment expanded."""
        wanted = {"customer": customer.id, "items": [{"price": price}], "expand": EXPANDED}
        return self.v1.subscriptions.create(wanted | values)

    def seen(self, subscription: Any) -> Any:
        """The subscription as it is now."""
        return self.v1.subscriptions.retrieve(subscription.id, {"expand": EXPANDED})

    def pays_with(self, customer: Any, card: str) -> Any:
        """Give a customer another card to be charged from now on."""
        method = self.v1.payment_methods.attach(card, {"customer": customer.id})
        self.v1.customers.update(
            customer.id, {"invoice_settings": {"default_payment_method": method.id}}
        )
        return method

    def after(self, seconds: int) -> "Scene":
        """Advance the clock to this long after the beginning, in steps Stripe allows."""
        target = NEW_YEAR + seconds
        while self.clock.frozen_time < target:
            self._advance(min(target, self.clock.frozen_time + 55 * DAY))
        return self

    def _advance(self, to: int) -> None:
        clocks = self.v1.test_helpers.test_clocks
        clocks.advance(self.clock.id, {"frozen_time": to})
        for _ in range(500):
            self.clock = clocks.retrieve(self.clock.id)
            if self.clock.status != "advancing":
                assert self.clock.status == "ready"
                return
            time.sleep(0.01)
        raise TimeoutError("the test clock did not arrive")

    def authenticates(self, intent: str, outcome: str = "complete") -> httpx.Response:
        """Press a button of the 3-D Secure page."""
        url = f"{self.server.url}/hosted/authenticate/{intent}"
        answer = plain_http.post(url, data={"outcome": outcome}, follow_redirects=True)
        assert answer.status_code == 200
        return answer

    def events(self, about: str) -> list[Any]:
        """Every event of this scene about an object, oldest first."""
        since = {"created": {"gte": self._began}, "limit": 100}
        found = self.v1.events.list(since).auto_paging_iter()
        return [e for e in found if e.data.object["id"] == about][::-1]


def intent_of(subscription: Any) -> Any:
    """The payment intent of a subscription's latest invoice."""
    return subscription.latest_invoice.payments.data[0].payment.payment_intent
