"""The walk in `docs/architecture.md` is what the traced requests really run through."""

import re
from pathlib import Path

from e2e import walk


def listed(section: str) -> dict[str, list[str]]:
    """The files of each request, in order."""
    found: dict[str, list[str]] = {}
    for block in re.split(r"^\*\*", section, flags=re.MULTILINE)[1:]:
        found[block.partition("**")[0]] = re.findall(r"^\d+\. `([^`]+)`", block, re.MULTILINE)
    return found


def test_the_page_lists_the_files_that_a_request_runs_through(tmp_path: Path) -> None:
    """A reader who follows the page finds the next step; `make walk ARGS=--write` updates it."""
    traced = listed(walk.section(walk.trace(tmp_path)))

    assert len(traced) == len(walk.STEPS)
    assert all(traced.values())
    assert listed(walk.written_section()) == traced, "update it with `make walk ARGS=--write`"
