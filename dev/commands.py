"""up, down, status, logs and clean."""

import fcntl
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import psutil
from rich.table import Table
from rich.text import Text

from dev.config.settings import Settings
from dev.errors import AlreadyStarting, BadSetting, ComponentFailed
from dev.processes import supervise
from dev.processes.components import Answers, Process
from dev.processes.interruptions import SIGNALS
from dev.processes.startup import READY_SECONDS, Startup, Watcher
from dev.screen import Progress, console
from dev.system import System


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
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


def is_up(system: System) -> bool:
    """Whether every process is running and ready.

    Args:
        system: Which system.
    """
    run_dir = system.settings.run_dir
    return all(
        (record := supervise.recorded(run_dir, process.name)) is not None
        and record.process() is not None
        and record.fingerprint == supervise.fingerprint(process)
        and process.ready()
        for process in system.processes
    )


def runs_any(system: System) -> bool:
    """Whether any process of the system is running, ready or not.

    Args:
        system: Which system.
    """
    records = [supervise.recorded(system.settings.run_dir, p.name) for p in system.processes]
    return any(record.process() is not None for record in records if record is not None)


def bring_up(system: System, *, watcher: Watcher) -> None:
    """Start what is not running; if that fails or is interrupted, stop everything.

    Args:
        system: What to bring up.
        watcher: Is told of the progress.

    Raises:
        LauncherError: Why the system cannot be had.
    """
    with _alone(system.settings):
        try:
            _require_free_ports(system)
            Startup(system.components, state_dir=system.settings.state_dir, watcher=watcher).run()
            _wait_for_routes(system.settings)
        except BaseException:
            _stop_all(system)
            raise


def take_down(system: System) -> int:
    """Stop every process of the system, in reverse order.

    Args:
        system: What to stop.

    Returns:
        How many were running.
    """
    with _alone(system.settings):
        return _stop_all(system)


def up(system: System) -> None:
    """Bring the system up with progress shown, and print where it can be reached."""
    began = time.monotonic()
    if is_up(system):
        console.print("[green]✓[/] Already running.")
    else:
        with Progress([component.name for component in system.components]) as progress:
            bring_up(system, watcher=progress)
        console.print(f"[green]✓[/] Ready in {time.monotonic() - began:.1f} s.")
    console.print(addresses(system.settings))


def down(system: System) -> None:
    """Stop the system and say so."""
    stopped = take_down(system)
    console.print(
        f"[green]✓[/] Stopped {stopped} processes." if stopped else "Nothing was running."
    )


def addresses(settings: Settings) -> Table:
    """Where a person finds what is running."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    url = settings.public_url
    local = settings.values["ENVIRONMENT"] == "local"
    table.add_row("API, try it out", f"{url}/api/docs/")
    table.add_row("Admin", f"{url}/admin/" + ("  (admin / qweqweqwE1)" if local else ""))
    if settings.sandbox_url:
        table.add_row("Stripe sandbox", f"{settings.sandbox_url}/")
    table.add_row("Metrics", f"http://127.0.0.1:{settings.ports.ops}/metrics")
    table.add_row("Logs", "make logs")
    return table


def status(system: System) -> None:
    """Print a table of the processes."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "process", "state", "address", "pid", "up for", "memory"):
        table.add_column(heading, justify="right" if heading in {"pid", "memory"} else "left")
    for process in system.processes:
        ready, cells = _row(process, system.settings)
        table.add_row(Text("●", style="green" if ready else "red"), *cells)
    console.print(table)


def logs(system: System, *, names: list[str], lines: int, follow: bool) -> None:
    """Print the end of the logs, and go on as they grow.

    Args:
        system: Whose logs.
        names: Only these processes or steps; all if empty.
        lines: How many of each to begin with.
        follow: Go on until Ctrl-C.

    Raises:
        BadSetting: A name that has no log.
    """
    paths = {path.stem: path for path in sorted(system.settings.log_dir.glob("*.log"))}
    for name in names:
        if name not in paths:
            raise BadSetting(f"There is no log of {name}; there is {', '.join(paths) or 'none'}.")
    chosen = {name: paths[name] for name in names or paths}
    offsets = {name: _print_tail(name, path, lines=lines) for name, path in chosen.items()}
    while follow:
        for name, path in chosen.items():
            offsets[name] = _print_from(name, path, offset=offsets[name])
        time.sleep(0.3)


def clean(system: System) -> None:
    """Stop the system and remove all that it keeps: databases, logs, secrets."""
    take_down(system)
    system.cluster.remove()
    shutil.rmtree(system.settings.state_dir, ignore_errors=True)
    settings = system.settings
    keys = "" if settings.keys_dir.is_relative_to(settings.state_dir) else " Signing keys are kept."
    console.print(f"[green]✓[/] Removed databases, logs and secrets.{keys}")


def _require_free_ports(system: System) -> None:
    """Look at all ports first: a refusal should come before anything is started."""
    for process in system.processes:
        record = supervise.recorded(system.settings.run_dir, process.name)
        if record is None or record.process() is None:
            for variable, port in process.ports.items():
                supervise.require_free_port(variable, port)


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
    with _undisturbed():
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
def _undisturbed() -> Iterator[None]:
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


def _row(process: Process, settings: Settings) -> tuple[bool, list[str]]:
    record = supervise.recorded(settings.run_dir, process.name)
    running = record.process() if record else None
    address = ", ".join(f"127.0.0.1:{port}" for port in process.ports.values()) or "—"
    if running is None:
        return False, [process.name, "stopped" if record is None else "died", address]
    try:
        age = timedelta(seconds=int(time.time() - running.create_time()))
        memory = sum(one.memory_info().rss for one in (running, *running.children(recursive=True)))
    except psutil.NoSuchProcess:
        return False, [process.name, "changing", address, str(running.pid)]
    ready = process.ready()
    return ready, [
        process.name,
        "ready" if ready else "not ready",
        address,
        str(running.pid),
        str(age),
        f"{memory / 2**20:.0f} MiB",
    ]


def _print_tail(name: str, path: Path, *, lines: int) -> int:
    text = path.read_text(errors="replace")
    for line in deque(text.splitlines(), lines):
        _print_line(name, line)
    return path.stat().st_size


def _print_from(name: str, path: Path, *, offset: int) -> int:
    size = path.stat().st_size
    with path.open("rb") as file:
        # A file that became shorter belongs to a process that was started again.
        file.seek(offset if size >= offset else 0)
        for line in file.read().decode(errors="replace").splitlines():
            _print_line(name, line)
        return file.tell()


def _print_line(name: str, line: str) -> None:
    console.print(Text(f"{name:>18} │ ", style="cyan") + Text(line), soft_wrap=True)
