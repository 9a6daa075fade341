"""Starts and stops real sandbox processes on free ports."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import stripe

ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds" / "demo.json"


def free_port() -> int:
    """A free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


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


class Server:
    """A sandbox process; every response it gives is checked strictly."""

    def __init__(self, *arguments: str, port: int | None = None, **environment: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        """Run the process and wait until it answers."""
        command = [sys.executable, "-m", "stripe_sandbox", "serve", "--port", str(self.port)]
        command += ["--strict", "--seed-file", str(SEEDS), *self._arguments]
        environment = {**os.environ, "SANDBOX_PUBLIC_URL": self.url, **self._environment}
        self.process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise TimeoutError("the sandbox did not start")

    def stop(self, *, kill: bool = False) -> None:
        """End the process, gently or as `kill -9` does."""
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(20)
            self.process = None

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def client(self, api_key: str = "sk_test_sandbox") -> Any:
        """The SDK, pointed at this process; untyped, since tests send what its types forbid."""
        return stripe.StripeClient(api_key, base_addresses={"api": self.url})
