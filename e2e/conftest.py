"""One whole system for the session, on free ports and with a state directory of its own."""

import signal
from collections.abc import Callable, Iterator

import pytest

from dev.processes.interruptions import end_like_ctrl_c
from e2e.people import Person
from e2e.system import RunningSystem, whole_system


def pytest_configure() -> None:
    """A test run that is asked to end stops the systems it has started."""
    end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Search the logs last, when everything else has left its traces in them."""
    items.sort(key=lambda item: item.path.name == "test_traces.py")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """The system: PostgreSQL, sandbox, both services, worker and gateway."""
    with whole_system(tmp_path_factory.mktemp("system"), SIGNUP="open") as started:
        yield started


@pytest.fixture
def new_person(running: RunningSystem) -> Callable[..., Person]:
    """Creates a user and logs them in: `new_person(is_staff=True)`."""
    return running.new_person


@pytest.fixture
def person(new_person: Callable[..., Person]) -> Person:
    """A new user, logged in, without a subscription."""
    return new_person()
