"""Starts, finds and stops processes by pid, across runs of the launcher."""

import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from dev.config.machine import is_of_the_machine
from dev.errors import ComponentFailed, ToolMissing
from dev.files import write_whole
from dev.processes.components import Process

# Set in the environment of every process of a system, to find those that outlive their parent.
MARK = "STARTED_FROM_STATE_DIR"

# Generous, because a busy machine is slow.
READY_SECONDS = 120.0

# Python warns about a handle that is dropped while its process is running.
_handles: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Record:
    """A started process. Pid and creation time identify it even when pids are reused."""

    name: str
    pid: int
    created_at: float
    fingerprint: str
    ports: Sequence[int] = ()

    def process(self) -> psutil.Process | None:
        """The process, or None if it has ended."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            # The clock of the boot time drifts by fractions of a second on some systems.
            if (
                abs(process.create_time() - self.created_at) < 2
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                return process
        return None


def fingerprint(process: Process) -> str:
    """A digest of what a process is started with: command, variables, ports and files.

    Variables of the machine are left out: another terminal has another PATH or LANG, which is no
    reason to restart anything.
    """
    chosen = sorted(item for item in process.env.items() if not is_of_the_machine(item[0]))
    started_with = [process.argv, chosen, sorted(process.ports.items())]
    digest = hashlib.sha256(json.dumps(started_with).encode())
    for path in process.made_from:
        for file in _files(path):
            digest.update(f"{file}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    """The file itself, or all files of a folder but those that Python compiles."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return sorted(found)


def recorded(run_dir: Path, name: str) -> Record | None:
    """The record of a process, running or not; None if it is missing or damaged."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return Record(**json.loads((run_dir / f"{name}.json").read_text()))
    return None


def run(name: str, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
    """Run a command to its end.

    Args:
        name: Its name in the error.
        argv: The program and its arguments.
        cwd: The folder it runs in.
        env: The whole environment.
        log: Takes standard output and error; an older one is replaced.

    Raises:
        ToolMissing: The program is not there.
        ComponentFailed: It ended with another status than 0.
    """
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        except FileNotFoundError as error:
            raise ToolMissing(f"{error.filename} is missing: run `make setup`.") from error
    if status:
        raise ComponentFailed(f"{name} ended with status {status}.", log=log)


@contextmanager
def running(process: Process, *, run_dir: Path, log: Path) -> Iterator[int]:
    """Start a process, yield its pid when it is ready, and stop it at the end.

    Args:
        process: The process to start.
        run_dir: The folder of its record.
        log: Takes standard output and error; an older one is replaced.

    Raises:
        ComponentFailed: It ended, or was not ready in time.
    """
    child = start(process, run_dir=run_dir, log=log)
    try:
        wait_until_ready(process, child, log=log)
        yield child.pid
    finally:
        stop(process, run_dir=run_dir)


def start(process: Process, *, run_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own and keep its record.

    In its own session a Ctrl-C at the terminal does not reach it: processes are stopped in order.

    Args:
        process: The process to start.
        run_dir: The folder of its record.
        log: Takes standard output and error; an older one is replaced.

    Raises:
        ToolMissing: The program is not there.
    """
    with log.open("wb") as output:
        try:
            child = subprocess.Popen(
                process.argv,
                cwd=process.cwd,
                env=dict(process.env) | {MARK: str(run_dir.parent)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=process.user,
                group=_group(process.user),
                extra_groups=None if process.user is None else [],
            )
        except FileNotFoundError as error:
            raise ToolMissing(f"{error.filename} is missing: run `make setup`.") from error
    _handles.append(child)
    record = Record(
        name=process.name,
        pid=child.pid,
        created_at=psutil.Process(child.pid).create_time(),
        fingerprint=fingerprint(process),
        ports=tuple(process.ports.values()),
    )
    write_whole(run_dir / f"{process.name}.json", json.dumps(asdict(record)))
    return child


def _group(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd  # Windows has no such module, and no root either.

    return pwd.getpwnam(user).pw_gid


def wait_until_ready(
    process: Process,
    child: subprocess.Popen[bytes],
    *,
    log: Path,
    seconds: float = READY_SECONDS,
    stopping: threading.Event | None = None,
) -> None:
    """Return when the process is ready.

    Args:
        process: The process that was started.
        child: Its handle.
        log: Its log, named in the error.
        seconds: How long it may take.
        stopping: Set when the start is cancelled; the wait then ends.

    Raises:
        ComponentFailed: It ended, or was not ready in time.
    """
    stopping = stopping or threading.Event()
    deadline = time.monotonic() + seconds
    while not process.ready():
        if child.poll() is not None:
            raise ComponentFailed(f"{process.name} ended with status {child.returncode}.", log=log)
        if time.monotonic() > deadline:
            raise ComponentFailed(f"{process.name} was not ready within {seconds:.0f} s.", log=log)
        if stopping.wait(0.1):
            return


def stop(process: Process, *, run_dir: Path) -> None:
    """Ask a process to end, wait, and kill what is left of its group.

    Args:
        process: The process; without a record there is nothing to stop.
        run_dir: The folder of its record, which is removed.
    """
    if record := recorded(run_dir, process.name):
        ask_to_end(record, stop_signal=process.stop_signal)
        see_end(record, run_dir=run_dir, seconds=process.stop_seconds)


def ask_to_end(record: Record, *, stop_signal: int) -> None:
    """Send a process the signal that lets it finish its work."""
    process = record.process()
    if process is not None:
        with suppress(psutil.Error, ProcessLookupError):
            process.send_signal(stop_signal)


def see_end(record: Record, *, run_dir: Path, seconds: float) -> None:
    """Wait for a process that was asked to end, and kill what is left of its group.

    Args:
        record: The process.
        run_dir: The folder of its record, which is removed.
        seconds: How long it may take to end before it is killed.
    """
    if record.process() is not None:
        _wait_for_end(record, seconds=seconds)
        # Every process leads a group of its own, in which its children are.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(record.pid, signal.SIGKILL)
        _wait_for_end(record, seconds=5)
    (run_dir / f"{record.name}.json").unlink(missing_ok=True)
    _handles[:] = [handle for handle in _handles if handle.poll() is None]


def _wait_for_end(record: Record, *, seconds: float) -> None:
    # A process that has ended can stay a zombie until init collects it; that is no reason to wait.
    deadline = time.monotonic() + seconds
    while record.process() is not None and time.monotonic() < deadline:
        time.sleep(0.03)


def stop_leftovers(state_dir: Path) -> None:
    """Kill every process that was started from this state directory and has lost its parent."""
    leftovers = list(_marked(state_dir))
    for process in leftovers:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(leftovers, timeout=5)


def _marked(state_dir: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(state_dir):
                yield process
