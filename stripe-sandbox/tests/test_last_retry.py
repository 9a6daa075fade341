"""What the account does with a subscription when the last retry of a renewal fails."""

from collections.abc import Callable, Iterator

import pytest

from tests.scenes import DAY, Scene
from tests.server import Server

MONTH = 31 * DAY


@pytest.fixture
def account() -> Iterator[Callable[[str], Scene]]:
    """Opens a sandbox with `--after-last-retry` and a scene in it, on a clock."""
    running: list[Server] = []

    def opened(outcome: str) -> Scene:
        running.append(Server("--after-last-retry", outcome).start())
        return Scene(running[-1], running[-1].client()).on_a_clock()

    yield opened
    for server in running:
        server.stop()


def test_unpaid_subscriptions_collect_drafts(account: Callable[[str], Scene]) -> None:
    """Nothing more is charged; paying the newest invoice makes the subscription active."""
    scene = account("unpaid")
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")

    # The retries end in the second month; the third begins with an invoice of its own.
    scene.after(MONTH + 20 * DAY)
    unpaid = scene.seen(subscription)
    scene.after(2 * MONTH + 2 * DAY)
    later = scene.seen(subscription)
    drafted = later.latest_invoice
    charges = scene.v1.charges.list({"customer": customer.id, "limit": 100}).data
    scene.pays_with(customer, "pm_card_visa")
    scene.v1.invoices.finalize_invoice(drafted.id)
    paid = scene.v1.invoices.pay(drafted.id)

    assert (unpaid.status, unpaid.latest_invoice.status) == ("unpaid", "open")
    assert unpaid.latest_invoice.attempt_count == 4
    assert (later.status, drafted.status, drafted.auto_advance) == ("unpaid", "draft", False)
    assert len(charges) == 1 + 4
    assert paid.status == "paid"
    assert scene.seen(subscription).status == "active"


def test_subscriptions_can_stay_past_due(account: Callable[[str], Scene]) -> None:
    """The next renewal is charged as usual."""
    scene = account("past_due")
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    scene.after(MONTH + 20 * DAY)
    owing = scene.seen(subscription)

    scene.pays_with(customer, "pm_card_visa")
    scene.after(2 * MONTH + 2 * DAY)

    renewed = scene.seen(subscription)
    assert (owing.status, owing.latest_invoice.next_payment_attempt) == ("past_due", None)
    assert (renewed.status, renewed.latest_invoice.status) == ("active", "paid")
