"""Which Node.js is used."""

from pathlib import Path

import pytest

from dev.programs import node


def a_program(folder: Path, name: str, *, says: str = "") -> None:
    """Put a program on the PATH of a test."""
    (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("version", "has_npm", "is_used"),
    [("v20.11.1", True, True), ("v18.20.4", True, False), ("v22.1.0", False, False)],
)
def test_only_a_recent_node_with_npm_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, version: str, has_npm: bool, is_used: bool
) -> None:
    """An old distribution's node would fail later, with an error about something else."""
    wheel = tmp_path / "wheel" / "__init__.py"
    monkeypatch.setattr(node, "find_spec", lambda _: type("Spec", (), {"origin": str(wheel)}))
    monkeypatch.setenv("PATH", str(tmp_path))
    a_program(tmp_path, "node", says=version)
    if has_npm:
        a_program(tmp_path, "npm")

    used = node.program()

    assert (used == str(tmp_path / "node")) is is_used
