"""Stripe's own SDKs drive a whole life cycle: the Node SDK as a user installs it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests import cli
from tests.server import Server

# The newest one, which pins the sandbox's version, and one two majors older.
VERSIONS = ("23.1.0", "21.0.1")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_node_sdk_drives_a_life_cycle(server: Server, version: str) -> None:
    """No call fails but those that are refused on purpose, each with its own error class."""
    script = Path(__file__).parent / "lifecycle.mjs"
    command = [cli.node(), str(script), str(cli.node_sdk(version)), str(server.port)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {
        "version": version,
        "status": "canceled",
        "deleted": True,
        "listed": True,
        "declined": ["StripeCardError", "card_declined"],
        "unknown": ["StripeInvalidRequestError", "parameter_unknown", "emial"],
        "missing": ["StripeInvalidRequestError", 404],
    }
