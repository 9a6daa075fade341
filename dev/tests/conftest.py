"""A repository that holds nothing but settings, and free ports."""

from pathlib import Path

import pytest

from dev.settings import DEFAULTS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the demo's settings and no `.env`."""
    lines = [f"{name}={value}" for name, value in DEFAULTS.items()]
    (tmp_path / ".env.sample").write_text("\n".join(lines))
    return tmp_path
