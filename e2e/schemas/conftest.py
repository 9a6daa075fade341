"""A system of its own: what is sent here looks like guesses from one address."""

from collections.abc import Iterator

import pytest

from e2e.system import RunningSystem, whole_system


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system whose limit on wrong guesses stops no log-in, and whose tokens outlive a test."""
    with whole_system(
        tmp_path_factory.mktemp("system"),
        THROTTLE_SOURCE_FAILURES="100000",
        ACCESS_TOKEN_LIFETIME_SECONDS="3600",
    ) as started:
        yield started
