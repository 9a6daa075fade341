"""A repository that has only the sample settings."""

import shutil
import signal
from pathlib import Path

import pytest

from dev.config.settings import ROOT
from dev.processes.interruptions import end_like_ctrl_c


def pytest_configure() -> None:
    """A test run that is asked to end stops what it has started."""
    end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the demo's settings and no `.env`."""
    shutil.copy(ROOT / ".env.sample", tmp_path)
    return tmp_path
