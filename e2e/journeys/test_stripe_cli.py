"""The official Stripe CLI: `make stripe-listen`, and events triggered with it."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.config.settings import ROOT
from dev.programs import stripe_cli
from e2e.system import RunningSystem
from e2e.waiting import until


@dataclass
class Cli:
    """The CLI, and what its listener has written so far."""

    stripe: Path
    running: RunningSystem
    listened: Callable[[], str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command against the sandbox."""
        settings = self.running.settings
        return subprocess.run(
            [str(self.stripe), *arguments, *stripe_cli.api_base(settings)],
            env=stripe_cli.environment(settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="module")
def cli(running: RunningSystem) -> Iterator[Cli]:
    """A listener that forwards to billing, as `make stripe-listen` starts it."""
    stripe = stripe_cli.install(ROOT / ".state")
    command = stripe_cli.listen_command(running.settings, stripe=stripe)
    with tempfile.NamedTemporaryFile("w+") as output:
        listener = subprocess.Popen(
            command,
            env=stripe_cli.environment(running.settings),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            listened = Path(output.name).read_text
            assert until(lambda: "Ready!" in listened(), seconds=60), listened()
            yield Cli(stripe, running, listened)
        finally:
            # npm's start script and the program proper end together.
            os.killpg(listener.pid, signal.SIGTERM)
            listener.wait(60)


def test_a_triggered_event_reaches_the_inbox(cli: Cli, running: RunningSystem) -> None:
    """Developers who know `stripe trigger` can use it here."""
    triggered = cli.run("trigger", "customer.subscription.updated")

    assert triggered.returncode == 0, triggered.stderr
    assert until(lambda: "customer.subscription.updated" in cli.listened())
    assert until(lambda: "[200] POST" in cli.listened()), cli.listened()
    asked = "SELECT count(*) FROM webhooks_webhookevent WHERE type = '{}'"
    assert int(running.sql("billing", asked.format("customer.subscription.updated"))) >= 1


def test_the_listener_shows_the_secret_it_signs_with(cli: Cli, running: RunningSystem) -> None:
    """Its secret is the one that billing already checks, so nothing has to be copied."""
    secret = running.settings.values["STRIPE_WEBHOOK_SECRET"]

    assert secret in cli.run("listen", "--print-secret", "--skip-update").stdout


def test_the_cli_reads_objects(cli: Cli) -> None:
    """`stripe get` shows what the sandbox holds."""
    answer = cli.run("get", "/v1/prices/price_sandbox_basic")

    assert answer.returncode == 0, answer.stderr
    assert '"price_sandbox_basic"' in answer.stdout
