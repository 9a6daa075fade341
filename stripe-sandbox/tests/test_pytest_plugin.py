"""The fixtures that a project gets by installing the package, in a project of its own."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = """
import pytest
import stripe

from stripe_sandbox.pytest_plugin import START


@pytest.fixture
def client(stripe_sandbox):
    return stripe.StripeClient(
        stripe_sandbox.api_key, base_addresses={"api": stripe_sandbox.url}
    )


@pytest.fixture
def price(client):
    return client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 1000,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Basic"},
        }
    )


def test_a_subscription_renews(client, price, stripe_test_clock):
    customer = client.v1.customers.create(
        {
            "test_clock": stripe_test_clock.id,
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    subscription = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id}]}
    )

    stripe_test_clock.advance(days=40)

    invoices = client.v1.invoices.list({"subscription": subscription.id, "status": "paid"})
    assert len(invoices.data) == 2
    assert subscription.created == int(START.timestamp())


def test_an_answer_is_lost(client, stripe_fault):
    stripe_fault(effect="error", status=500, path="/v1/customers", times=1)

    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"email": "ada@example.com"})

    assert client.v1.customers.create({"email": "ada@example.com"}).email == "ada@example.com"


def test_a_fault_that_makes_no_sense_is_refused(stripe_fault):
    with pytest.raises(ValueError, match="effect"):
        stripe_fault(effect="earthquake")


def test_the_faults_of_another_test_are_lifted(client):
    assert client.v1.customers.create().id
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a project in a folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_project_tests_its_subscriptions(tmp_path: Path) -> None:
    """A renewal by the clock, a fault and its end, without any configuration."""
    (tmp_path / "test_shop.py").write_text(EXAMPLE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nstripe_sandbox_options = --strict\n")

    done = run(tmp_path)

    assert "4 passed" in done.stdout, done.stdout


def test_a_wrong_option_is_said(tmp_path: Path) -> None:
    """The sandbox's own sentence is in the report."""
    (tmp_path / "test_shop.py").write_text("def test_it(stripe_sandbox): ...\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nstripe_sandbox_options = --seed-file no.json\n")

    done = run(tmp_path)

    assert "seed file no.json" in done.stdout
