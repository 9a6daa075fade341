"""One whole system for the session, on free ports and with a state directory of its own."""

import os
from collections.abc import Callable, Iterator

import httpx
import pytest

from dev import commands
from dev.settings import load
from dev.system import system
from e2e.running import Person, Running, bring_up, free_ports

# Tests come from one address and are quicker than people.
UNLIMITED = dict.fromkeys(
    (
        "TOKEN_RPS",
        "TOKEN_BURST",
        "PUBLIC_RPS",
        "PUBLIC_BURST",
        "CARD_FAILURES_PER_CARD",
        "CARD_FAILURES_PER_SOURCE",
    ),
    "100000",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Search the logs last, when everything else has left its traces in them."""
    items.sort(key=lambda item: item.path.name == "test_traces.py")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The system: PostgreSQL, sandbox, both services, worker and gateway."""
    own = {"DEV_STATE_DIR": str(tmp_path_factory.mktemp("system")), "ENVIRONMENT": "local"}
    whole = system(load({**os.environ, **UNLIMITED, **free_ports(), **own}))
    try:
        bring_up(whole)
        with httpx.Client(timeout=40, trust_env=False) as client:
            started = Running(whole, client)
            yield started
            for person in started.people:
                person.client.close()
    finally:
        commands.take_down(whole)
        whole.cluster.remove()


@pytest.fixture
def new_person(running: Running) -> Callable[..., Person]:
    """Creates a user and logs them in: `new_person(is_staff=True)`."""
    return running.new_person


@pytest.fixture
def person(new_person: Callable[..., Person]) -> Person:
    """Somebody new, logged in, without a subscription."""
    return new_person()
