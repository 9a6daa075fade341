"""Many clients at once: no failure, nothing lost, ids unique, all there after a kill.

`pytest tests/test_concurrency.py --clients 50 --seconds 60` is the full run.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import plain_http
from tests.server import Server, wait_until

Json = dict[str, Any]

HEADERS = {"Authorization": "Bearer sk_test_sandbox"}
CARD = {
    "payment_method": "pm_card_visa",
    "invoice_settings[default_payment_method]": "pm_card_visa",
}
ITEM = {"items[0][price]": "price_sandbox_basic"}


class Crowd:
    """What a crowd of clients did, as they saw it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.statuses: set[int] = set()
        self.seen: dict[str, str] = {}
        self.ids: list[str] = []
        self._lock = threading.Lock()

    def call(self, http: httpx.Client, verb: str, path: str, data: Json | None = None) -> Json:
        """One request; its status is noted."""
        answer = http.request(verb, self.server.url + path, data=data, headers=HEADERS)
        body: Json = answer.json()
        with self._lock:
            self.statuses.add(answer.status_code)
            if verb == "POST" and "id" in body:
                self.ids.append(body["id"])
            if body.get("object") == "subscription":
                self.seen[body["id"]] = body["status"]
        return body

    def live_a_life(self, http: httpx.Client) -> None:
        """Subscribe, and cancel every other time."""
        customer = self.call(http, "POST", "/v1/customers", CARD)["id"]
        first = {"customer": customer, **ITEM}
        subscription = self.call(http, "POST", "/v1/subscriptions", first)["id"]
        self.call(http, "POST", "/v1/subscriptions", first)
        self.call(http, "DELETE", f"/v1/subscriptions/{subscription}")

    def run(self, clients: int, until: Callable[[], bool]) -> None:
        """Let clients live lives at once until it is enough."""

        def client(_: int) -> None:
            with plain_http.Client(timeout=60) as http:
                while True:
                    self.live_a_life(http)
                    if until():
                        return

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, range(clients)))


def test_a_crowd_breaks_nothing(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Clients creating and cancelling at once lose nothing, a kill -9 included."""
    clients = int(pytestconfig.getoption("clients"))
    enough = time.monotonic() + float(pytestconfig.getoption("seconds"))
    data = tmp_path / "sandbox.sqlite3"
    server = Server("--data", str(data)).start()
    crowd = Crowd(server)

    crowd.run(clients, lambda: time.monotonic() > enough)
    server.stop(kill=True)

    assert crowd.statuses == {200}
    assert len(set(crowd.ids)) == len(crowd.ids)
    with Server("--data", str(data)) as again:
        assert _statuses(again) == crowd.seen
        _check_money(again, crowd)
    with closing(sqlite3.connect(data)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _statuses(server: Server) -> dict[str, str]:
    listed = server.client().v1.subscriptions.list({"status": "all", "limit": 100})
    return {one.id: str(one.status) for one in listed.auto_paging_iter()}


def _check_money(server: Server, crowd: Crowd) -> None:
    """One paid invoice, one charge and one creation event for each subscription."""
    v1 = server.client().v1
    paid = list(v1.invoices.list({"status": "paid", "limit": 100}).auto_paging_iter())
    charges = list(v1.charges.list({"limit": 100}).auto_paging_iter())
    created = v1.events.list({"type": "customer.subscription.created", "limit": 100})
    deleted = v1.events.list({"type": "customer.subscription.deleted", "limit": 100})
    assert len(paid) == len(charges) == len(crowd.seen)
    assert len({invoice.number for invoice in paid}) == len(paid)
    assert {e.data.object["id"] for e in created.auto_paging_iter()} == set(crowd.seen)
    gone = {i for i, status in crowd.seen.items() if status == "canceled"}
    assert {e.data.object["id"] for e in deleted.auto_paging_iter()} == gone


def test_updates_at_once_are_all_kept(server: Server) -> None:
    """Each of many writers to one customer's metadata finds its own key afterwards."""
    with plain_http.Client(headers=HEADERS) as http:
        path = f"{server.url}/v1/customers"
        customer = http.post(path).json()["id"]

    def write(number: int) -> int:
        data = {f"metadata[k{number}]": str(number)}
        with plain_http.Client(headers=HEADERS) as client:
            return client.post(f"{server.url}/v1/customers/{customer}", data=data).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = set(pool.map(write, range(40)))

    kept = plain_http.get(f"{server.url}/v1/customers/{customer}", headers=HEADERS).json()[
        "metadata"
    ]
    assert statuses == {200}
    assert kept == {f"k{number}": str(number) for number in range(40)}


def test_a_kill_in_the_middle_leaves_whole_subscriptions(tmp_path: Path) -> None:
    """A process killed under load comes back with each subscription paid exactly once."""
    data = tmp_path / "sandbox.sqlite3"
    server = Server("--data", str(data)).start()
    crowd = Crowd(server)

    def client(_: int) -> None:
        with plain_http.Client(timeout=60) as http:
            try:
                while True:
                    crowd.live_a_life(http)
            except httpx.TransportError:
                return

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(client, number) for number in range(4)]
        try:
            wait_until(lambda: len(crowd.seen) >= 10)
        finally:
            # The clients stop only when the server is gone.
            server.stop(kill=True)
        for one in running:
            one.result()

    with Server("--data", str(data)) as again:
        stored = _statuses(again)
        charges = again.client().v1.charges.list({"limit": 100}).auto_paging_iter()
        assert len(list(charges)) == len(stored)
    assert set(crowd.seen) <= set(stored)
    assert {stored[i] for i, status in crowd.seen.items() if status == "canceled"} <= {"canceled"}
