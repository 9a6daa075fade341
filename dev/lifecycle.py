"""Starts and stops a whole system."""

import fcntl
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from dev.config.settings import Settings
from dev.errors import AlreadyStarting, ComponentFailed, NotRunning
from dev.processes import supervise
from dev.processes.components import Answers, Process
from dev.processes.interruptions import SIGNALS
from dev.processes.ports import require_free_port
from dev.processes.startup import Startup, Watcher
from dev.processes.supervise import READY_SECONDS
from dev.system import System


def is_up(system: System) -> bool:
    """Whether every process is ready and runs with the current settings and files."""
    run_dir = system.settings.run_dir
    return all(
        (record := supervise.recorded(run_dir, process.name)) is not None
        and record.process() is not None
        and record.fingerprint == supervise.fingerprint(process)
        and process.ready()
        for process in system.processes
    )


def runs_any(system: System) -> bool:
    """Whether any process of the system is running, ready or not."""
    records = [supervise.recorded(system.settings.run_dir, p.name) for p in system.processes]
    return any(record.process() is not None for record in records if record is not None)


def require_running(system: System) -> None:
    """Refuse a command that needs a running system.

    Raises:
        NotRunning: No process of the system is running.
    """
    if not runs_any(system):
        raise NotRunning("The system is not running: start it with `make up`.")


def bring_up(system: System, *, watcher: Watcher) -> None:
    """Start what is not running; if that fails or is interrupted, stop everything.

    Args:
        system: What to bring up.
        watcher: Called with the progress of each component.

    Raises:
        LauncherError: Why the system cannot be started.
    """
    with _exclusive(system.settings):
        try:
            _require_free_ports(system)
            Startup(system.components, state_dir=system.settings.state_dir, watcher=watcher).run()
            _wait_for_routes(system.settings)
        except BaseException:
            _stop_all(system)
            raise


def take_down(system: System) -> int:
    """Stop every process of the system, in order.

    Returns:
        How many were running.
    """
    with _exclusive(system.settings):
        return _stop_all(system)


@contextmanager
def _exclusive(settings: Settings) -> Iterator[None]:
    """Two launchers in one state directory would start everything twice."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    settings.log_dir.mkdir(exist_ok=True)
    with (settings.state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyStarting(
                f"Another `make` is starting or stopping the system in {settings.state_dir}."
            ) from error
        yield


def _require_free_ports(system: System) -> None:
    """Check all ports first: a refusal has to come before anything is started or stopped."""
    ours = {
        port
        for process in system.processes
        if (record := supervise.recorded(system.settings.run_dir, process.name))
        and record.process()
        for port in record.ports
    }
    for process in system.processes:
        for variable, port in process.ports.items():
            if port not in ours:
                require_free_port(variable, port)


def _wait_for_routes(settings: Settings) -> None:
    """The gateway is up when it has found both services healthy."""
    gateway = f"http://127.0.0.1:{settings.ports.gateway}"
    routes = [Answers(f"{gateway}/.well-known/jwks.json"), Answers(f"{gateway}/api/docs/")]
    deadline = time.monotonic() + READY_SECONDS
    for route in routes:
        while not route():
            if time.monotonic() > deadline:
                log = settings.log_dir / "gateway.log"
                raise ComponentFailed(f"The gateway does not answer {route.url} with 200.", log=log)
            threading.Event().wait(0.1)


def _stop_all(system: System) -> int:
    stopped = 0
    with _without_interruptions():
        in_order = sorted(system.processes, key=lambda process: process.stop_order)
        for _, together in groupby(in_order, key=lambda process: process.stop_order):
            stopped += _stop_together(list(together), run_dir=system.settings.run_dir)
        supervise.stop_leftovers(system.settings.state_dir)
    return stopped


def _stop_together(processes: list[Process], *, run_dir: Path) -> int:
    records = [(process, supervise.recorded(run_dir, process.name)) for process in processes]
    found = [(process, record) for process, record in records if record is not None]
    running = sum(record.process() is not None for _, record in found)
    for process, record in found:
        supervise.ask_to_end(record, stop_signal=process.stop_signal)
    for process, record in found:
        supervise.see_end(record, run_dir=run_dir, seconds=process.stop_seconds)
    return running


@contextmanager
def _without_interruptions() -> Iterator[None]:
    """A second, impatient Ctrl-C must not leave half of the processes running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
