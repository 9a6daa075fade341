"""The official Stripe CLI, which forwards events to the running system's webhook endpoint."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dev.config.settings import Settings
from dev.errors import NotRunning
from dev.processes.components import Answers
from dev.programs.node import npm_install, with_node

# The version with which the sandbox was tested.
PACKAGE = "@stripe/cli@1.52"


def install(state_dir: Path) -> Path:
    """Install the CLI from npm, once, and return its path.

    Raises:
        ToolMissing: npm failed.
    """
    return npm_install(state_dir / "node" / "stripe", PACKAGE) / "node_modules" / ".bin" / "stripe"


def environment(settings: Settings) -> dict[str, str]:
    """The environment of the CLI: our key, its own configuration folder, no telemetry."""
    return {
        **with_node(os.environ),
        "STRIPE_API_KEY": settings.values["STRIPE_API_SECRET"],
        "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
        "XDG_CONFIG_HOME": str(settings.state_dir / "stripe-cli"),
    }


def api_base(settings: Settings) -> list[str]:
    """The arguments that point the CLI to the sandbox; none for real Stripe."""
    if settings.sandbox_url is None:
        return []
    # The CLI refuses the name localhost.
    return ["--api-base", f"http://127.0.0.1:{settings.ports.sandbox}"]


def listen_command(settings: Settings, *, stripe: Path) -> list[str]:
    """The command that forwards every event to billing's webhook endpoint."""
    return [
        str(stripe),
        "listen",
        *("--skip-update", "--all-snapshot"),
        *api_base(settings),
        *("--forward-to", f"127.0.0.1:{settings.ports.gateway}/api/stripe-webhook/"),
    ]


def listen(settings: Settings, *, more: list[str]) -> int:
    """Run `stripe listen` until Ctrl-C.

    Args:
        settings: Those of the running system.
        more: Further arguments for the CLI.

    Returns:
        The CLI's exit status.

    Raises:
        NotRunning: The system is not running.
        ToolMissing: The CLI cannot be installed.
    """
    if not Answers(f"http://127.0.0.1:{settings.ports.ops}/ping")():
        raise NotRunning("The system is not running: start it with `make up`.")
    command = [*listen_command(settings, stripe=install(settings.state_dir)), *more]
    return _run(command, env=environment(settings))


def _run(command: list[str], *, env: Mapping[str, str]) -> int:
    try:
        return subprocess.run(command, env=env, check=False).returncode
    except KeyboardInterrupt:
        # The CLI got the same Ctrl-C and has ended.
        return 0
