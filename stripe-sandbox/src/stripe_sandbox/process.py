"""Runs a sandbox in a process of its own, for tests."""

import http.client
import os
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

_STARTS_WITHIN_SECONDS = 120
_STOPS_WITHIN_SECONDS = 20


def free_port() -> int:
    """A free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class SandboxProcess:
    """A sandbox on a port of this machine.

    Attributes:
        port: Where it listens; a free port unless one is named.
        url: The base of its API, of its dashboard and of the pages that Stripe would host.
        api_key: A key that it accepts.
    """

    def __init__(self, *arguments: str, port: int | None = None, **environment: str) -> None:
        """Prepare the process.

        Args:
            arguments: Options of `stripe-sandbox serve`.
            port: The port; a free one if it is left out.
            environment: Variables besides those of this process.
        """
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_key = "sk_live_sandbox" if "--live" in arguments else "sk_test_sandbox"
        self.process: subprocess.Popen[bytes] | None = None
        self._arguments = arguments
        self._environment = {"SANDBOX_PUBLIC_URL": self.url, **environment}

    def start(self) -> Self:
        """Run the process and wait until it answers.

        Raises:
            RuntimeError: It ended by itself; its error output says why.
            TimeoutError: It does not answer.
        """
        command = [sys.executable, "-m", "stripe_sandbox", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(  # noqa: S603 -- our own program
            [*command, *self._arguments], env={**os.environ, **self._environment}
        )
        deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the sandbox ended with status {self.process.returncode}")
            if self._answers():
                return self
            time.sleep(0.05)
        self.stop()
        raise TimeoutError("the sandbox did not start")

    def _answers(self) -> bool:
        # No proxy that the environment names is asked: it leads out of here.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self, *, kill: bool = False) -> None:
        """End the process, gently or as `kill -9` does."""
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(_STOPS_WITHIN_SECONDS)
            self.process = None

    def __enter__(self) -> Self:
        """Start with the block."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop with the block."""
        self.stop()
