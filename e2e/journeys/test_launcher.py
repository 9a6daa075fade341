"""`make up`, `make down` and `make demo` as a person at a terminal uses them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from dev.config.settings import ROOT, load
from dev.processes import supervise
from dev.processes.ports import free_port
from dev.processes.supervise import MARK
from dev.system import system
from e2e.system import RunningSystem, clean_environment, free_ports
from e2e.waiting import until


@dataclass
class Terminal:
    """Runs the launcher with a state directory and ports of its own."""

    env: dict[str, str]

    @property
    def state_dir(self) -> Path:
        """The state directory of its system."""
        return Path(self.env["DEV_STATE_DIR"])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "dev", *arguments],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A program started in the background ignores Ctrl-C, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def pids(self) -> set[int]:
        """The processes whose records are kept."""
        records = (self.state_dir / "run").glob("*.json")
        return {json.loads(record.read_text())["pid"] for record in records}

    def kill(self, name: str) -> int:
        """Kill one process and return the pid it had."""
        record = supervise.recorded(self.state_dir / "run", name)
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        return record.pid

    def left(self) -> list[str]:
        """Processes that were started from here and still run."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.state_dir):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal whose system is gone after the test."""
    own = {"DEV_STATE_DIR": str(tmp_path / "state"), "PYTHONUNBUFFERED": "1"}
    terminal = Terminal(clean_environment(**free_ports(), **own))
    yield terminal
    terminal.run("down")
    system(load(terminal.env)).cluster.remove()


def test_up_twice_demo_and_down(terminal: Terminal) -> None:
    """`up` again changes nothing, the demo restarts a dead process, `down` leaves none."""
    first = terminal.run("up")
    pids = terminal.pids()
    second = terminal.run("up")
    status = terminal.run("status")
    worker = terminal.kill("billing-worker")
    demo = terminal.run("demo")
    after_demo = terminal.pids()
    logs = terminal.run("logs", "gateway", "-n", "1", "--no-follow")
    down = terminal.run("down")
    left = terminal.left()
    clean = terminal.run("clean", "--yes")

    assert first.returncode == 0, first.stdout
    assert "/api/docs/" in first.stdout
    assert second.returncode == 0
    assert "Already running" in second.stdout
    assert status.stdout.count("ready") == len(pids) == 7
    assert demo.returncode == 0, demo.stdout
    assert "keeps running" in demo.stdout
    assert pids - after_demo == {worker}
    assert len(after_demo) == 7
    assert '"RequestPath"' in logs.stdout
    assert (down.returncode, clean.returncode) == (0, 0)
    assert left == []
    assert not terminal.state_dir.exists()
    assert "are kept" not in clean.stdout


def test_another_port_and_the_services_own_commands(terminal: Terminal) -> None:
    """A changed port moves a running system; both services' commands run beside it."""
    first = terminal.run("up")
    port = str(free_port())
    terminal.env["GATEWAY_PORT"] = port

    moved = terminal.run("up")
    answer = httpx.get(f"http://127.0.0.1:{port}/api/docs/", trust_env=False)
    keys = terminal.run("auth", "keys", "list")
    dry_run = terminal.run("manage", "stripe_reconcile", "--dry-run")
    terminal.env["KEEP_EVENTS_DAYS"] = "none"
    refused = terminal.run("manage", "check")

    assert first.returncode == 0, first.stdout
    assert moved.returncode == 0, moved.stdout
    assert f"localhost:{port}/api/docs/" in moved.stdout
    assert answer.status_code == 200
    assert keys.returncode == 0, keys.stdout
    assert "active" in keys.stdout
    assert dry_run.returncode == 0, dry_run.stdout
    assert refused.returncode != 0
    assert "KEEP_EVENTS_DAYS" in refused.stdout, "a variable of the shell wins"


def test_the_demo_of_a_running_system_starts_nothing(
    running: RunningSystem, terminal: Terminal
) -> None:
    """With BASE_URL, for example of Compose, the demo starts nothing."""
    demo = terminal.run("demo", "--base-url", running.url)

    assert demo.returncode == 0, demo.stdout
    assert "Nothing was started" in demo.stdout
    assert terminal.pids() == set()


def test_the_demo_stops_what_it_started_when_interrupted(terminal: Terminal) -> None:
    """Ctrl-C in the middle of the demo leaves no process, an impatient second one neither."""
    demo = terminal.start("demo")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "administrator logs in" in line:
            break

    os.killpg(demo.pid, signal.SIGINT)
    time.sleep(0.5)
    os.killpg(demo.pid, signal.SIGINT)
    demo.stdout.read()
    demo.stdout.close()

    assert demo.wait(60) == 130
    assert terminal.left() == []


def test_an_interrupted_start_leaves_nothing(terminal: Terminal) -> None:
    """Ctrl-C while parts are coming up takes those down that are up."""
    up = terminal.start("up")
    assert until(terminal.left, seconds=60)

    os.killpg(up.pid, signal.SIGINT)
    up.communicate(timeout=120)

    assert up.returncode == 130
    assert terminal.left() == []
