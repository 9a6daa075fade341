"""The offline Stripe as tests see it: one process, real HTTP, and what Stripe believes."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings

from subscriptions.stripe_gateway import account
from subscriptions.stripe_gateway import client as stripe_client
from tests.environment import free_port

_FOLDER = Path(__file__).resolve().parents[2] / "stripe-sandbox"
_WEBHOOK_SECRET = "whsec_sandbox_demo_secret"


class Sandbox:
    """Asks and tells the sandbox, beside the service under test."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._http = httpx.Client(base_url=base, auth=("sk_test_sandbox", ""), timeout=20)
        self._last_seen = ""

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Return an object, or fail the test."""
        return self._json(self._http.get(path, params=params))

    def post(self, path: str, **form: Any) -> dict[str, Any]:
        """Change something as someone else would, such as through Stripe's dashboard."""
        return self._json(self._http.post(path, data=form))

    def delete(self, path: str) -> dict[str, Any]:
        """Delete an object as someone else would."""
        return self._json(self._http.delete(path))

    def all(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return a whole list, page after page, newest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"starting_after": found[-1]["id"]} if found else {}
            page = self.get(path, limit=100, **params, **after)
            found += page["data"]
            if not page["has_more"]:
                return found

    def customers_of(self, user_id: object) -> list[dict[str, Any]]:
        """Return the customers that were made for a user, by whatever version."""
        ours, before_0_9 = "metadata['billing_service_user_id']", "metadata['user_id']"
        query = f"{ours}:'{user_id}' OR {before_0_9}:'{user_id}'"
        found: list[dict[str, Any]] = self.get("/v1/customers/search", query=query)["data"]
        return found

    def subscriptions_of(self, user_id: object) -> list[dict[str, Any]]:
        """Return all subscriptions of a user's customers, ended ones included."""
        return [
            subscription
            for customer in self.customers_of(user_id)
            for subscription in self.all("/v1/subscriptions", customer=customer["id"], status="all")
        ]

    def charges_of(self, user_id: object) -> list[dict[str, Any]]:
        """Return the charges that moved money from a user."""
        return [
            charge
            for customer in self.customers_of(user_id)
            for charge in self.all("/v1/charges", customer=customer["id"])
            if charge["status"] == "succeeded"
        ]

    def authenticate(self, intent: str, *, outcome: str = "complete") -> None:
        """Press the button on the page of the customer's bank."""
        answer = self._http.post(f"/hosted/authenticate/{intent}", data={"outcome": outcome})
        assert answer.status_code < 400, answer.text

    def refuse_setup(self, intent: str, payment_method: str) -> None:
        """Try a card that is refused, as Stripe.js does with a setup intent's client secret."""
        path = f"/v1/setup_intents/{intent}/confirm"
        answer = self._http.post(path, data={"payment_method": payment_method})
        assert answer.status_code == 402, answer.text

    def complete_checkout(self, url: str, number: str = "4242424242424242") -> bool:
        """Fill in a checkout page; return whether it still took the card."""
        answer = self._http.post(f"/hosted/checkout/{_last_part(url)}", data={"number": number})
        return answer.status_code < 400

    def new_events(self) -> list[dict[str, Any]]:
        """Return the events since the last call, oldest first."""
        fresh: list[dict[str, Any]] = []
        while True:
            after = {"starting_after": fresh[-1]["id"]} if fresh else {}
            page = self.get("/v1/events", limit=100, **after)
            for event in page["data"]:
                if event["id"] == self._last_seen:
                    return self._seen(fresh)
                fresh.append(event)
            if not page["has_more"]:
                return self._seen(fresh)

    def forget_events(self) -> None:
        """Take what has happened so far for known."""
        self._seen(self.get("/v1/events", limit=1)["data"])

    def _seen(self, fresh: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self._last_seen = fresh[0]["id"] if fresh else self._last_seen
        return fresh[::-1]

    @contextlib.contextmanager
    def fault(self, **fault: Any) -> Iterator[None]:
        """Let something go wrong inside the block."""
        self._json(self._http.post("/sandbox/faults", json=fault))
        try:
            yield
        finally:
            self._http.delete("/sandbox/faults")

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code < 400, answer.text
        body: dict[str, Any] = answer.json()
        return body


def _last_part(url: str) -> str:
    return url.rpartition("/")[2]


@contextlib.contextmanager
def started_sandbox(*options: str) -> Iterator[Sandbox]:
    """Start a sandbox; one without `--deterministic` is an account of its own.

    Args:
        options: Of `stripe-sandbox serve`.
    """
    port = free_port()
    command = [
        str(_FOLDER / ".venv/bin/stripe-sandbox"),
        "serve",
        "--port",
        str(port),
        "--seed-file",
        str(_FOLDER / "seeds/demo.json"),
        *options,
    ]
    environment = {**os.environ, "LOG_LEVEL": "WARNING", "STRIPE_WEBHOOK_SECRET": _WEBHOOK_SECRET}
    # Deliveries are the tests' own doing; this one leads nowhere.
    environment["SANDBOX_WEBHOOK_URL"] = f"http://127.0.0.1:{free_port()}/"
    with subprocess.Popen(command, env=environment) as process:
        sandbox = Sandbox(f"http://127.0.0.1:{port}")
        try:
            _wait_for(sandbox, process)
            yield sandbox
        finally:
            sandbox.close()
            process.terminate()


def _wait_for(sandbox: Sandbox, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        with contextlib.suppress(httpx.TransportError):
            sandbox.get("/v1/prices")
            return
        assert process.poll() is None, "the sandbox did not start"
        time.sleep(0.05)
    raise AssertionError("the sandbox does not answer")


@contextlib.contextmanager
def key_of(sandbox: Sandbox, key: str = "sk_test_sandbox") -> Iterator[None]:
    """Run the service with the key of a sandbox, as after a restart with another .env."""
    before = settings.BILLING
    try:
        settings.BILLING = replace(before, stripe_api_base=sandbox.base, stripe_api_secret=key)
        stripe_client.client.cache_clear()
        account.forget_account()
        yield
    finally:
        settings.BILLING = before
        stripe_client.client.cache_clear()
        account.forget_account()
