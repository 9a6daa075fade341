"""Starting and stopping child processes, and reading what they cost from /proc."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from dev.errors import ComponentFailed
from dev.processes import supervise
from dev.processes.components import Listens, Process


class BenchError(Exception):
    """A run that cannot give a figure; the message says what to do about it."""


def inherited_environment() -> dict[str, str]:
    """Return the few variables a server needs from this shell.

    The rest is left out so that a developer's settings cannot change a figure.
    """
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        BenchError: It ended with another code than 0; the message carries its output.
    """
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


@contextmanager
def server(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], port: int | None, log: Path
) -> Iterator[int]:
    """Keep a process running and yield its pid once its port accepts connections.

    Args:
        command: Program and arguments.
        cwd: Folder to start in.
        env: The whole environment.
        port: TCP port to wait for; None for a process that does not listen.
        log: File for its output, shown when it does not start.

    Raises:
        BenchError: It ended by itself or did not listen in time.
    """
    process = Process(
        name=log.stem,
        argv=tuple(command),
        cwd=cwd,
        env=env,
        ready=Listens(port) if port is not None else lambda: True,
    )
    try:
        with supervise.running(process, run_dir=log.parent, log=log) as pid:
            yield pid
    except ComponentFailed as error:
        raise BenchError(f"{error}\n{error.log_tail()}") from error


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(roots: Iterable[int]) -> float:
    """Add up user and system time of process trees, ended and reaped children included."""
    total = 0.0
    for root in roots:
        for process in _tree(root):
            try:
                total += sum(process.cpu_times()[:4])
            except psutil.NoSuchProcess:
                # It ended between the listing and the look; its parent counts it next time.
                continue
    return total


def worker_memory_bytes(root: int) -> int:
    """Return the resident memory of the largest process under a server's parent."""
    return max(int(process.memory_info().rss) for process in _tree(root))
