"""The launcher's commands: what they do and print."""

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from datetime import timedelta
from pathlib import Path

import click
import psutil
from rich.table import Table
from rich.text import Text

from dev.config.settings import Settings
from dev.errors import BadSetting, NotConfirmed
from dev.lifecycle import bring_up, is_up, require_running, take_down
from dev.processes import supervise
from dev.processes.components import Process
from dev.screen import Progress, console
from dev.system import System


def up(system: System) -> None:
    """Start the system, show the progress, and print its addresses."""
    began = time.monotonic()
    if is_up(system):
        console.print("[green]✓[/] Already running.")
    else:
        with Progress([component.name for component in system.components]) as progress:
            bring_up(system, watcher=progress)
        console.print(f"[green]✓[/] Ready in {time.monotonic() - began:.1f} s.")
    console.print(addresses(system.settings))


def down(system: System) -> None:
    """Stop the system and print how many processes that were."""
    stopped = take_down(system)
    console.print(
        f"[green]✓[/] Stopped {stopped} processes." if stopped else "Nothing was running."
    )


def addresses(settings: Settings) -> Table:
    """The addresses of a running system, for people."""
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


def logs(system: System, *, names: tuple[str, ...], lines: int, follow: bool) -> None:
    """Print the end of the logs, and follow them.

    Args:
        system: The system that wrote them.
        names: Only these processes or tasks; all if empty.
        lines: How many lines of each to begin with.
        follow: Continue until Ctrl-C.

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


def clean(system: System, *, confirmed: bool) -> None:
    """Stop the system and remove all that it keeps: databases, logs, secrets.

    Args:
        system: What to remove.
        confirmed: Do not ask.

    Raises:
        NotConfirmed: The answer was no, or there is no terminal to ask at.
    """
    settings = system.settings
    if settings.state_dir.exists() and not confirmed:
        _confirm(f"Remove all databases, logs and secrets in {settings.state_dir}?")
    take_down(system)
    system.cluster.remove()
    shutil.rmtree(settings.state_dir, ignore_errors=True)
    keys = "" if settings.keys_dir.is_relative_to(settings.state_dir) else " Signing keys are kept."
    console.print(f"[green]✓[/] Removed databases, logs and secrets.{keys}")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed(f"{question} Confirm with `make clean ARGS=--yes`.")
    if not click.confirm(question):
        raise NotConfirmed("Nothing was removed.")


def manage(system: System, arguments: tuple[str, ...]) -> int:
    """Run a command of billing-service's manage.py as the running worker would.

    Returns:
        The command's exit status.

    Raises:
        NotRunning: The system is not running.
    """
    worker = system.process("billing-worker")
    return _run_beside(system, worker, (worker.argv[0], "manage.py", *arguments))


def auth(system: System, arguments: tuple[str, ...]) -> int:
    """Run a command of auth-service with the running service's environment.

    Returns:
        The command's exit status.

    Raises:
        NotRunning: The system is not running.
    """
    service = system.process("auth-service")
    return _run_beside(system, service, (service.argv[0], *arguments))


def _run_beside(system: System, process: Process, argv: tuple[str, ...]) -> int:
    require_running(system)
    # `auth-service doctor` starts Traefik, which is installed beside this launcher. TERM lets the
    # command know how wide and colourful the terminal is.
    path = os.pathsep.join((process.env["PATH"], str(Path(sys.executable).parent)))
    env = {**process.env, "PATH": path, "TERM": os.environ.get("TERM", "dumb")}
    return subprocess.run(argv, cwd=process.cwd, env=env, check=False).returncode


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
