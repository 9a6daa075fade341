"""One version and one licence for everything that is released together."""

import re
import tomllib

import pytest

from dev.config.settings import ROOT

PARTS = ("auth-service", "billing-service", "stripe-sandbox", "dev", "bench")


def versions_of(part: str) -> dict[str, str]:
    """Each place of a part that has its version: `pyproject.toml`, or `__version__` of a module."""
    project = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]
    found = {"pyproject.toml": str(project["version"])} if "version" in project else {}
    for module in (ROOT / part).rglob("__init__.py"):
        if ".venv" not in module.parts:
            written = re.search(r'^__version__ = "(.+)"$', module.read_text(), re.MULTILINE)
            found |= {str(module): written[1]} if written else {}
    return found


def test_all_parts_have_the_version_of_the_changelog_in_one_place_each() -> None:
    """An operator who reads a version anywhere finds its section in the changelog."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## (\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert newest

    found = {part: list(versions_of(part).values()) for part in PARTS}

    assert found == {part: [newest[1]] for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_names_the_licence(part: str) -> None:
    """Who takes one folder can see under which terms."""
    project = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]

    assert project["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
