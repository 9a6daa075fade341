"""The launcher as it is run: a refusal is one sentence."""

import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dev.config.settings import ROOT
from e2e.system import clean_environment, free_ports


def launch(*arguments: str, state_dir: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m dev` with a state directory and ports of its own."""
    own = {**free_ports(), "DEV_STATE_DIR": str(state_dir), **env}
    return subprocess.run(
        [sys.executable, "-m", "dev", *arguments],
        cwd=ROOT,
        env=clean_environment(**own),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def left_running(state_dir: Path) -> list[psutil.Process]:
    """Processes that mention the state directory in their command."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(state_dir) in " ".join(process.info["cmdline"] or [])
    ]


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    """No component is started when the gateway's port is taken."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])

        result = launch("up", state_dir=tmp_path, GATEWAY_PORT=port)

    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"Port {port} is taken" in result.stderr
    assert "GATEWAY_PORT" in result.stderr
    assert left_running(tmp_path) == []


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    """No traceback for a typing error in `.env`."""
    result = launch("up", state_dir=tmp_path, ENVIRONMENT="prod")

    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "ENVIRONMENT is 'prod'" in result.stderr


def test_a_demo_without_a_gateway_says_so(tmp_path: Path) -> None:
    """A wrong BASE_URL ends at once and starts nothing."""
    port = free_ports()["GATEWAY_PORT"]

    result = launch("demo", "--base-url", f"http://127.0.0.1:{port}", state_dir=tmp_path)

    assert result.returncode == 1
    assert "failed" in result.stderr
    assert left_running(tmp_path) == []


def test_status_and_down_work_when_nothing_runs(tmp_path: Path) -> None:
    """Looking and stopping are harmless at any time."""
    assert launch("status", state_dir=tmp_path).returncode == 0
    assert "Nothing was running" in launch("down", state_dir=tmp_path).stdout


def test_stopping_works_with_a_broken_setting(tmp_path: Path) -> None:
    """A system can be stopped after `.env` was broken while it was up."""
    result = launch("down", state_dir=tmp_path, ENVIRONMENT="prod", GATEWAY_PORT="eighty")

    assert result.returncode == 0


def test_arguments_for_the_stripe_cli_are_passed_on(tmp_path: Path) -> None:
    """`make stripe-listen ARGS="--events x"` does not refuse options of the Stripe CLI."""
    result = launch("stripe-listen", "--events", "invoice.paid", state_dir=tmp_path)

    assert "The system is not running" in result.stderr


@pytest.mark.parametrize("command", ["manage", "auth"])
def test_a_service_command_needs_a_running_system(tmp_path: Path, command: str) -> None:
    """`make manage` and `make auth` say what to do, and pass options on instead of reading them."""
    result = launch(command, "keys", "--help", state_dir=tmp_path)

    assert result.returncode == 1
    assert result.stderr.strip() == "✗ The system is not running: start it with `make up`."


def test_clean_asks_before_it_removes(tmp_path: Path) -> None:
    """Without a terminal there is no answer, so nothing is removed."""
    state_dir = tmp_path / "state"
    (state_dir / "postgres").mkdir(parents=True)

    unasked = launch("clean", state_dir=state_dir)
    kept = state_dir.exists()
    confirmed = launch("clean", "--yes", state_dir=state_dir)

    assert (unasked.returncode, kept) == (1, True)
    assert "Confirm with `make clean ARGS=--yes`." in unasked.stderr
    assert confirmed.returncode == 0
    assert not state_dir.exists()


def test_wrong_usage_is_status_2(tmp_path: Path) -> None:
    """A misspelt option is named, and nothing is started."""
    result = launch("up", "--fast", state_dir=tmp_path)

    assert result.returncode == 2
    assert "--fast" in result.stderr


def test_following_a_log_can_begin_at_its_end(tmp_path: Path) -> None:
    """`-n 0` shows new lines only."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gateway.log").write_text("first\nlast\n")

    none = launch("logs", "gateway", "-n", "0", state_dir=tmp_path)
    one = launch("logs", "gateway", "-n", "1", state_dir=tmp_path)

    assert (none.returncode, none.stdout) == (0, "")
    assert "last" in one.stdout
    assert "first" not in one.stdout


def test_the_makefile_lists_itself() -> None:
    """`make` alone tells a newcomer what there is."""
    listing = subprocess.check_output(["/usr/bin/env", "make"], cwd=ROOT, text=True)

    for target in ("demo", "up", "down", "status", "logs", "clean", "test", "test-e2e", "lint"):
        assert f"make {target} " in listing
