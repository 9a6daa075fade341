"""Starts and stops real sandbox processes on free ports."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stripe

from stripe_sandbox.process import SandboxProcess

ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds" / "demo.json"


def wait_until(found: Callable[[], bool]) -> None:
    """Wait for something that comes soon.

    Raises:
        TimeoutError: It did not come.
    """
    deadline = time.monotonic() + 60
    while not found():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not come")
        time.sleep(0.01)


class Server(SandboxProcess):
    """A sandbox with the demo's products; every response it gives is checked strictly."""

    def __init__(self, *arguments: str, port: int | None = None, **environment: str) -> None:
        super().__init__(
            "--strict", "--seed-file", str(SEEDS), *arguments, port=port, **environment
        )

    def client(self, api_key: str | None = None) -> Any:
        """The SDK, pointed at this process; untyped, since tests send what its types forbid."""
        return stripe.StripeClient(api_key or self.api_key, base_addresses={"api": self.url})
