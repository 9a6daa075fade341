"""One sandbox for the whole run, and what tests ask of it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from tests import plain_http
from tests.scenes import Scene
from tests.server import Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many clients the crowd has, and for how long it runs."""
    parser.addoption("--clients", default="8", help="clients of the concurrency test")
    parser.addoption("--seconds", default="2", help="how long they go on")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the events of all tests last."""
    items.sort(key=lambda item: item.name == "test_every_event_fits_the_class_of_its_object")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running sandbox that checks its own responses."""
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> Any:
    """stripe-python, pointed at the sandbox."""
    stripe.enable_telemetry = False
    return server.client()


@pytest.fixture
def scene(server: Server, client: Any) -> Scene:
    """Customers, subscriptions and clocks in a few words."""
    return Scene(server, client)


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    """A customer's browser that tells where it is sent instead of going there."""
    with plain_http.Client(base_url=server.url, timeout=15) as client:
        yield client
