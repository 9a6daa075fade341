"""What a server costs includes its children, and nothing outlives a run."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from bench.processes import BenchError, cpu_seconds, run, server
from dev.processes.ports import free_port

CHILD = "import subprocess, sys, time; subprocess.run([sys.executable, '-c', sys.argv[1]])"
BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_the_work_of_an_ended_child_still_counts(tmp_path: Path) -> None:
    """A worker that was replaced in the middle of a run has still cost what it cost."""
    command = [sys.executable, "-c", CHILD + "; time.sleep(60)", BUSY]
    environment = dict(os.environ)
    with server(command, cwd=tmp_path, env=environment, port=None, log=tmp_path / "log") as pid:
        while not (process := psutil.Process(pid)).children():
            pass
        for child in process.children():
            psutil.wait_procs([child], timeout=30)

        assert cpu_seconds([pid]) >= 0.3
    assert not psutil.pid_exists(pid)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The message carries the server's own last words."""
    command = [sys.executable, "-c", "raise SystemExit('no such setting')"]
    with (
        pytest.raises(BenchError, match="no such setting"),
        server(command, cwd=tmp_path, env={}, port=free_port(), log=tmp_path / "log"),
    ):
        pass


def test_a_failed_command_says_why(tmp_path: Path) -> None:
    """A migration that fails ends the run with its output."""
    with pytest.raises(BenchError, match="out of disk"):
        run([sys.executable, "-c", "raise SystemExit('out of disk')"], cwd=tmp_path, env={})
