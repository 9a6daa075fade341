"""Starts the components of a system, each as soon as those it needs are ready."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import Enum
from pathlib import Path
from typing import Protocol

from dev.processes import supervise
from dev.processes.components import Component, Process
from dev.processes.ports import require_free_port


class State(Enum):
    """The state of a component while the system starts."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RUNNING = "already running"
    FAILED = "failed"


class Watcher(Protocol):
    """Called with every change of a component's state."""

    def __call__(self, name: str, state: State, /, *, seconds: float) -> None:
        """Show the change; the seconds are those since the component was begun."""


class Startup:
    """One start of all components."""

    def __init__(
        self, components: Sequence[Component], *, state_dir: Path, watcher: Watcher
    ) -> None:
        self._components = {component.name: component for component in components}
        self._run_dir = state_dir / "run"
        self._log_dir = state_dir / "logs"
        self._watcher = watcher
        self._stopping = threading.Event()

    def run(self) -> None:
        """Start every component.

        Raises:
            LauncherError: A component failed. Those that are ready keep running.
            KeyboardInterrupt: The start was interrupted. Those that are ready keep running.
        """
        waiting = dict(self._components)
        running: dict[Future[None], str] = {}
        ready: set[str] = set()
        with ThreadPoolExecutor(max_workers=len(waiting)) as pool:
            try:
                while waiting or running:
                    for component in [p for p in waiting.values() if ready.issuperset(p.after)]:
                        running[pool.submit(self._bring_up, component)] = component.name
                        del waiting[component.name]
                    # A bounded wait lets a Ctrl-C through.
                    done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                        ready.add(running.pop(future))
            finally:
                self._stopping.set()

    def _bring_up(self, component: Component) -> None:
        began = time.monotonic()
        self._watcher(component.name, State.STARTING, seconds=0)
        try:
            state = self._do(component)
        except BaseException:
            self._watcher(component.name, State.FAILED, seconds=time.monotonic() - began)
            raise
        self._watcher(component.name, state, seconds=time.monotonic() - began)

    def _do(self, component: Component) -> State:
        if not isinstance(component, Process):
            component.run()
            return State.READY
        record = supervise.recorded(self._run_dir, component.name)
        if record and record.process():
            if record.fingerprint == supervise.fingerprint(component) and component.ready():
                return State.RUNNING
            supervise.stop(component, run_dir=self._run_dir)
        self._start(component)
        return State.READY

    def _start(self, process: Process) -> None:
        for variable, port in process.ports.items():
            require_free_port(variable, port)
        log = self._log_dir / f"{process.name}.log"
        child = supervise.start(process, run_dir=self._run_dir, log=log)
        supervise.wait_until_ready(process, child, log=log, stopping=self._stopping)
