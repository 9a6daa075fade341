"""An account in live mode: its keys, its objects, and no card that pays."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests import plain_http
from tests.scenes import BASIC
from tests.server import Server
from tests.test_serving import refused


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the account in live mode is kept."""
    return tmp_path_factory.mktemp("live") / "live.sqlite3"


@pytest.fixture(scope="module")
def live(data: Path) -> Iterator[Server]:
    """A sandbox in live mode."""
    with Server("--live", "--data", str(data)) as running:
        yield running


@pytest.fixture
def v1(live: Server) -> Any:
    """stripe-python with a live key."""
    return live.client().v1


def test_every_object_is_in_live_mode(v1: Any) -> None:
    """Stored ones, those inside them, and events."""
    customer = v1.customers.create({"email": "ada@example.com"})
    subscription = v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": BASIC}],
            "collection_method": "send_invoice",
            "days_until_due": 30,
            "expand": ["latest_invoice"],
        }
    )
    session = v1.checkout.sessions.create(
        {"mode": "setup", "currency": "usd", "success_url": "https://shop.example.com"}
    )

    invoice = v1.invoices.pay(subscription.latest_invoice.id, {"paid_out_of_band": True})

    item = subscription["items"].data[0]
    seen = (customer, subscription, item.price, item.plan, invoice, invoice.lines.data[0], session)
    assert {one.livemode for one in (*seen, *v1.events.list().data)} == {True}
    assert session.id.startswith("cs_live_")
    assert (invoice.status, subscription.status) == ("paid", "active")


@pytest.mark.parametrize("key", ["sk_test_51abcdefghijkl", "rk_test_51abcdefghijkl"])
def test_a_test_key_is_refused(live: Server, key: str) -> None:
    """As Stripe refuses a key that it does not know."""
    answer = plain_http.get(f"{live.url}/v1/customers", headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == (
        f"Invalid API Key provided: {key[:8]}**********ijkl"
    )


def test_test_cards_do_not_pay(v1: Any) -> None:
    """Neither by id nor by token nor by the number on a page; Stripe's sentences say why."""
    customer = v1.customers.create()
    card = {"type": "card", "card": {"token": "tok_visa"}}
    calls: list[Callable[[], Any]] = [
        lambda: v1.payment_methods.attach("pm_card_visa", {"customer": customer.id}),
        lambda: v1.payment_methods.create(card),
        lambda: v1.customers.update(customer.id, {"source": "tok_visa"}),
    ]
    for call, named in zip(calls, ("pm_card_visa", "tok_visa", "tok_visa"), strict=True):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            call()
        assert f"You cannot use the test ID '{named}' in livemode." in str(refusal.value)

    session = v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": BASIC, "quantity": 1}],
            "success_url": "https://shop.example.com",
        }
    )
    page = plain_http.post(
        session.url, data={"email": "a@example.com", "number": "4242424242424242"}
    )

    assert page.status_code == 402
    assert "Your request was in live mode, but used a known test card." in page.text
    assert v1.checkout.sessions.retrieve(session.id).status == "open"


def test_there_are_no_test_clocks(v1: Any) -> None:
    """Time passes by itself."""
    with pytest.raises(stripe.InvalidRequestError, match="only available in test mode"):
        v1.test_helpers.test_clocks.create({"frozen_time": 1767225600})


def test_a_data_file_keeps_its_mode(data: Path, live: Server, tmp_path: Path) -> None:
    """A live file needs no option again; one in test mode is not turned into a live one."""
    live.stop()
    with Server("--data", str(data)) as again:
        assert again.client("sk_live_again").v1.customers.list().data
    live.start()
    old = tmp_path / "test.sqlite3"
    with sqlite3.connect(old) as database:
        # As version 0.9.0 wrote it.
        database.execute("CREATE TABLE account (id TEXT PRIMARY KEY) WITHOUT ROWID")
        database.execute("INSERT INTO account VALUES ('acct_old')")
    database.close()

    code, message = refused("serve", "--live", "--data", str(old))

    assert code == 2
    assert "--live: the data file is in test mode" in message
