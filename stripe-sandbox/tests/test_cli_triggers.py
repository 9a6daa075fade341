"""The official CLI's own fixtures: every one of a subscription product's families."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import cli
from tests.server import Server

FAMILIES = (
    "charge.",
    "checkout.",
    "coupon.",
    "customer.",
    "customer_",
    "invoice.",
    "invoiceitem.",
    "payment_intent.",
    "payment_method.",
    "price.",
    "product.",
    "promotion_code.",
    "setup_intent.",
    "subscription_schedule.",
    "tax_rate.",
)

# What a fixture needs that the sandbox refuses, by the events that need it.
REFUSED = {
    "payment methods other than cards": {
        "checkout.session.async_payment_failed",
        "checkout.session.async_payment_succeeded",
        "customer_cash_balance_transaction.created",
        "payment_intent.partially_funded",
        "payment_intent.processing",
    },
    "a coupon on a customer, which no API version from 2025-03-31.basil on has": {
        "customer.discount.created",
        "customer.discount.deleted",
        "customer.discount.updated",
    },
}


def test_the_cli_triggers_every_event_of_these_families(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fixture runs to its end, but for those that need what is refused by name."""
    program, environment = cli.stripe_cli(), cli.environment(tmp_path)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(program), *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    listed = re.findall(
        r"^  ([a-z_0-9]+(?:\.[a-z_0-9]+)+) *$", run("trigger", "--help").stdout, re.M
    )
    events = [event for event in listed if event.startswith(FAMILIES)]
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda event: run("trigger", event, "--api-base", server.url), events)
    failed = {event for event, one in zip(events, done, strict=True) if one.returncode}

    with capsys.disabled():
        print(f"\nfixtures of the CLI: {len(events) - len(failed)} of {len(events)}")  # noqa: T201
    assert len(events) == 74
    assert failed == set().union(*REFUSED.values())
