"""Starting, finding and stopping processes by pid, across runs of the launcher."""

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

# In the environment of every process of a system, so that what outlives its parent is found.
MARK = "STARTED_FROM_STATE_DIR"

# Generous: a busy machine is not a broken one.
READY_SECONDS = 120.0

# Python complains about a handle that is dropped while its process lives, as ours do.
_handles: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Record:
    """A started process; pid and creation time together name it even when pids are reused."""

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
    """The record of a process, whether or not it is still running; one half written is none."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return Record(**json.loads((run_dir / f"{name}.json").read_text()))
    return None


def run(name: str, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
    """Run a command to its end.

    Args:
        name: What it is called in the refusal.
        argv: The program and its arguments.
        cwd: Where it runs.
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
        process: What to start.
        run_dir: Where its record is kept meanwhile.
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

    Its own session keeps a Ctrl-C at the terminal from it: it is stopped in order instead.

    Args:
        process: What to start.
        run_dir: Where the record goes.
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
    import pwd  # There is none on Windows, where nobody is root either.

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
        process: What was started.
        child: Its handle.
        log: Its log, named in the refusal.
        seconds: How long it may take.
        stopping: Set when the start is given up, by whoever began it.

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
        process: Found by its record; without one there is nothing to stop.
        run_dir: Where its record is, and is removed from.
    """
    if record := recorded(run_dir, process.name):
        ask_to_end(record, stop_signal=process.stop_signal)
        see_end(record, run_dir=run_dir, seconds=process.stop_seconds)


def ask_to_end(record: Record, *, stop_signal: int) -> None:
    """Send a process the signal that lets it finish its work.

    Args:
        record: Which process.
        stop_signal: The signal.
    """
    process = record.process()
    if process is not None:
        with suppress(psutil.Error, ProcessLookupError):
            process.send_signal(stop_signal)


def see_end(record: Record, *, run_dir: Path, seconds: float) -> None:
    """Wait for a process that was asked to end, and kill what is left of its group.

    Args:
        record: Which process.
        run_dir: Where its record is removed from.
        seconds: How long it may take.
    """
    if record.process() is not None:
        _wait_for_end(record, seconds=seconds)
        # Every process leads its own group: what it left behind is in there.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(record.pid, signal.SIGKILL)
        _wait_for_end(record, seconds=5)
    (run_dir / f"{record.name}.json").unlink(missing_ok=True)
    _handles[:] = [handle for handle in _handles if handle.poll() is None]


def _wait_for_end(record: Record, *, seconds: float) -> None:
    # A process that has ended may stay a zombie until some init collects it: no need to wait.
    deadline = time.monotonic() + seconds
    while record.process() is not None and time.monotonic() < deadline:
        time.sleep(0.03)


def stop_leftovers(state_dir: Path) -> None:
    """Kill what was started from this state directory and lost its parent.

    Args:
        state_dir: The system whose processes are meant.
    """
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
