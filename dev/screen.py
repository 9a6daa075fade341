"""What the launcher prints: progress while components start, and refusals."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dev.errors import ComponentFailed, LauncherError
from dev.processes.startup import State

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

_SIGNS = {
    State.READY: Text("✓", style="green"),
    State.RUNNING: Text("✓", style="green"),
    State.FAILED: Text("✗", style="bold red"),
    State.WAITING: Text("·", style="dim"),
}


class Progress:
    """A line for each component: redrawn on a terminal, otherwise printed when it is ready."""

    def __init__(self, names: list[str]) -> None:
        self._states = dict.fromkeys(names, State.WAITING)
        self._seconds = dict.fromkeys(names, 0.0)
        self._spinners: dict[str, Spinner] = {}
        self._began: dict[str, float] = {}
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._table, console=console, refresh_per_second=12, transient=False
        )

    def __enter__(self) -> Self:
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if console.is_terminal:
            self._live.stop()

    def __call__(self, name: str, state: State, *, seconds: float) -> None:
        """Show a component's new state."""
        with self._lock:
            self._states[name] = state
            self._seconds[name] = seconds
            self._began.setdefault(name, time.monotonic())
        if not console.is_terminal and state not in {State.WAITING, State.STARTING}:
            sign = _SIGNS[state].plain
            console.print(f"  {sign} {name:<20} {self._note(name)}", markup=False)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=3, justify="right")
        table.add_column(min_width=20)
        table.add_column(style="dim")
        with self._lock:
            for name, state in self._states.items():
                style = "dim" if state is State.WAITING else ""
                table.add_row(self._sign(name, state), Text(name, style=style), self._note(name))
        return table

    def _sign(self, name: str, state: State) -> Text | Spinner:
        if state is not State.STARTING:
            return _SIGNS[state]
        return self._spinners.setdefault(name, Spinner("dots", style="cyan"))

    def _note(self, name: str) -> str:
        match self._states[name]:
            case State.WAITING:
                return ""
            case State.STARTING:
                return f"{time.monotonic() - self._began[name]:.1f} s"
            case State.RUNNING:
                return "already running"
            case _:
                return f"{self._seconds[name]:.1f} s"


def refuse(error: LauncherError) -> None:
    """Print why the command ends, with the end of the log that explains it."""
    errors.print(Text("✗ ", style="bold red") + Text(str(error)), soft_wrap=True)
    if isinstance(error, ComponentFailed) and (tail := error.log_tail()):
        for line in tail.splitlines():
            errors.print(Text(f"  │ {line}", style="dim"), soft_wrap=True)
        errors.print(Text(f"  └ whole log: {error.log}", style="dim"), soft_wrap=True)
