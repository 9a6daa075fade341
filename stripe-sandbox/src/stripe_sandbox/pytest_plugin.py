"""Fixtures for pytest: a sandbox on a free port, a clock that moves on request, and faults.

Installing the package is enough; pytest finds them by its entry point.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from stripe_sandbox.process import SandboxProcess

_ARRIVES_WITHIN_SECONDS = 60
# Stripe moves a clock by two billing periods at once at the most.
_STEP = timedelta(days=28)
# Where a clock starts unless a test says otherwise.
START = datetime(2030, 1, 1, tzinfo=UTC)

AddFault = Callable[..., dict[str, Any]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting of the fixtures."""
    parser.addini(
        "stripe_sandbox_options",
        "options of `stripe-sandbox serve`, such as --seed-file seeds.json --strict",
        type="args",
    )


@pytest.fixture(scope="session")
def stripe_sandbox(pytestconfig: pytest.Config) -> Iterator[SandboxProcess]:
    """A running sandbox: its `url`, and an `api_key` that it accepts.

    One serves the whole run; tests stay apart by making their own customers.
    """
    options: list[str] = pytestconfig.getini("stripe_sandbox_options")
    with SandboxProcess(*options) as sandbox:
        yield sandbox


def _client(sandbox: SandboxProcess, **options: Any) -> httpx.Client:
    # There is no TLS here; certificates would take longer to load than most tests to run.
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(base_url=sandbox.url, verify=bare, trust_env=False, **options)


class TestClock:
    """A Stripe test clock; customers made with its `id` live on it.

    Attributes:
        id: The id, for `test_clock`.
        now: The time it stands at.
    """

    # pytest would otherwise take the class for a test.
    __test__ = False

    def __init__(self, api: httpx.Client, start: datetime) -> None:
        self._api = api
        self.now = start
        values = {"frozen_time": int(start.timestamp())}
        self.id: str = self._call("POST", "", values)["id"]

    def advance(self, **length: float) -> None:
        """Move the clock forward and wait until all that was due is done.

        Args:
            length: How far, as for `datetime.timedelta`: `days=31`, `hours=1`.
        """
        self.advance_to(self.now + timedelta(**length))

    def advance_to(self, moment: datetime) -> None:
        """Move the clock forward to a moment, in steps that Stripe allows.

        Raises:
            RuntimeError: The clock failed on its way, or does not arrive.
        """
        while self.now < moment:
            self.now = min(moment, self.now + _STEP)
            self._call("POST", f"/{self.id}/advance", {"frozen_time": int(self.now.timestamp())})
            self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _ARRIVES_WITHIN_SECONDS
        while (status := self._call("GET", f"/{self.id}")["status"]) == "advancing":
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if status != "ready":
            raise RuntimeError(f"the test clock {self.id} is {status}")

    def delete(self) -> None:
        """Delete the clock, with the customers and subscriptions on it."""
        self._call("DELETE", f"/{self.id}")

    def _call(self, method: str, path: str, values: dict[str, int] | None = None) -> Any:
        answer = self._api.request(method, f"/v1/test_helpers/test_clocks{path}", data=values)
        if answer.is_error:
            raise RuntimeError(answer.json()["error"]["message"])
        return answer.json()


@pytest.fixture
def stripe_test_clock(stripe_sandbox: SandboxProcess) -> Iterator[TestClock]:
    """A test clock of the test's own, deleted when the test ends."""
    headers = {"Authorization": f"Bearer {stripe_sandbox.api_key}"}
    with _client(stripe_sandbox, headers=headers) as api:
        clock = TestClock(api, START)
        yield clock
        clock.delete()


@pytest.fixture
def stripe_fault(stripe_sandbox: SandboxProcess) -> Iterator[AddFault]:
    """A function that puts a fault in force, as `POST /sandbox/faults` does; lifted afterwards.

    For example `stripe_fault(effect="timeout", when="after", path="/v1/subscriptions", times=1)`.
    """
    with _client(stripe_sandbox) as api:

        def add(**settings: Any) -> dict[str, Any]:
            answer = api.post("/sandbox/faults", json=settings)
            if answer.is_error:
                raise ValueError(answer.json()["error"]["message"])
            fault: dict[str, Any] = answer.json()
            return fault

        yield add
        api.delete("/sandbox/faults")
