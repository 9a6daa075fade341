"""The official Stripe CLI, forwarding events to the running system's webhook."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dev.config.settings import Settings
from dev.errors import NotRunning
from dev.processes.components import Answers
from dev.programs.node import npm_install, with_node

# The version whose protocol the sandbox was tried with.
PACKAGE = "@stripe/cli@1.52"


def install(state_dir: Path) -> Path:
    """Get the CLI from npm, once, and return its path.

    Args:
        state_dir: Where it is kept.

    Raises:
        ToolMissing: It cannot be had.
    """
    return npm_install(state_dir / "node" / "stripe", PACKAGE) / "node_modules" / ".bin" / "stripe"


def environment(settings: Settings) -> dict[str, str]:
    """The environment the CLI runs in: our key, its own configuration folder, no telemetry.

    Args:
        settings: The running system's.
    """
    return {
        **with_node(os.environ),
        "STRIPE_API_KEY": settings.values["STRIPE_API_SECRET"],
        "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
        "XDG_CONFIG_HOME": str(settings.state_dir / "stripe-cli"),
    }


def api_base(settings: Settings) -> list[str]:
    """The arguments that lead the CLI to the sandbox; none for real Stripe.

    Args:
        settings: The running system's.
    """
    if settings.sandbox_url is None:
        return []
    # The CLI refuses the name localhost here.
    return ["--api-base", f"http://127.0.0.1:{settings.ports.sandbox}"]


def listen_command(settings: Settings, *, stripe: Path) -> list[str]:
    """The command that forwards every event to billing's webhook.

    Args:
        settings: The running system's.
        stripe: The CLI.
    """
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
        settings: The running system's.
        more: Further arguments for the CLI.

    Returns:
        The CLI's exit status.

    Raises:
        ToolMissing: The CLI cannot be had, or the system is not running.
    """
    if not Answers(f"http://127.0.0.1:{settings.ports.ops}/ping")():
        raise NotRunning("The system is not running: start it with `make up`.")
    command = [*listen_command(settings, stripe=install(settings.state_dir)), *more]
    return _run(command, env=environment(settings))


def _run(command: list[str], *, env: Mapping[str, str]) -> int:
    try:
        return subprocess.run(command, env=env, check=False).returncode
    except KeyboardInterrupt:
        # It has had the same Ctrl-C and has ended.
        return 0
