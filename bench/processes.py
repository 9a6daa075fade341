"""Starting and stopping child processes, and reading what they cost from /proc."""

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil


class BenchError(Exception):
    """A run that cannot give a figure; the message says what to do about it."""


def free_port() -> int:
    """Return a TCP port on the loopback address that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
        BenchError: It ended by itself or did not listen within a minute.
    """
    with log.open("wb") as output:
        # A session of its own: Ctrl-C is for us, who then stop the servers in their order.
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=output, stderr=output, start_new_session=True
        )
    try:
        if port is not None:
            _wait_for_port(process, port=port, log=log)
        yield process.pid
    finally:
        _stop(process)


def _wait_for_port(process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise BenchError(f"not listening on port {port}:\n{log.read_text()[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # A worker can outlive a killed parent, so the tree is noted before the parent goes.
    children = _tree(process.pid)[1:]
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in psutil.wait_procs(children, timeout=5)[1]:
        child.kill()


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
