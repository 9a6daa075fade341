"""A data file of an earlier version keeps what the sandbox knows beside its objects."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from stripe_sandbox.clock import Clock
from stripe_sandbox.objects.state import (
    PaymentMethodState,
    SubscriptionState,
    TestClockState,
    WebhookEndpointState,
)
from stripe_sandbox.storage.kinds import (
    INVOICE_ITEM,
    PAYMENT_METHOD,
    SUBSCRIPTION,
    TEST_CLOCK,
    WEBHOOK_ENDPOINT,
)
from stripe_sandbox.storage.store import NOTHING, Store

# The tables as version 0.1 created them.
_OLD_TABLES = """
CREATE TABLE objects (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  created INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL);
"""

_OLD_OBJECTS: list[dict[str, Any]] = [
    {"id": "pm_1", "object": "payment_method", "_card": "pm_card_visa", "_set_up": True},
    {"id": "clock_1", "object": "test_helpers.test_clock", "_now": 1767225600},
    {"id": "we_1", "object": "webhook_endpoint", "status": "enabled", "_secret": "whsec_1"},
    {"id": "ii_1", "object": "invoiceitem", "customer": "cus_1", "invoice": None, "_pending": True},
    {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "items": {"data": [{"id": "si_1", "price": "price_1"}]},
        "_items": ["si_1"],
        "_prices": ["price_1"],
        "_pending_invoice": "in_1",
    },
]


def test_a_data_file_of_version_0_1_is_upgraded(tmp_path: Path) -> None:
    """Objects, what the sandbox knows beside them, and what they are found by are kept."""
    path = tmp_path / "sandbox.sqlite3"
    with sqlite3.connect(path) as old:
        old.executescript(_OLD_TABLES)
        for thing in _OLD_OBJECTS:
            old.execute(
                "INSERT INTO objects (id, kind, created, data) VALUES (?, ?, 1767225600, ?)",
                (thing["id"], thing["object"], json.dumps(thing)),
            )
    old.close()

    store = Store(path, clock=Clock())
    with store.work() as work:
        card = work.get(PAYMENT_METHOD, "pm_1")
        endpoint = work.all(WEBHOOK_ENDPOINT, {"status": "enabled"})[0]
        subscription = work.all(SUBSCRIPTION, {"items.data.price": "price_1"})[0]
        clock = work.get(TEST_CLOCK, "clock_1")

        assert work.state(card, PaymentMethodState) == PaymentMethodState(authenticated=True)
        assert work.state(endpoint, WebhookEndpointState).secret == "whsec_1"
        assert work.state(subscription, SubscriptionState).pending_invoice == "in_1"
        assert work.state(clock, TestClockState).reached == 1767225600
        assert work.all(INVOICE_ITEM, {"customer": "cus_1", "invoice": NOTHING})
        assert not [name for thing in (card, clock, endpoint) for name in thing if name[0] == "_"]
    store.close()
