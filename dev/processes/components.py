"""What a system is made of: tasks that end, processes that keep running, and when each is ready."""

import signal
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

# Connections are not kept: a server that is about to stop would wait for them. The context without
# certificates saves the time it takes to load them; every address is plain HTTP on this machine.
_CLIENT = httpx.Client(
    timeout=2,
    trust_env=False,
    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    limits=httpx.Limits(max_keepalive_connections=0),
)


@dataclass(frozen=True)
class Answers:
    """Ready when a GET of the address is answered with 200."""

    url: str

    def __call__(self) -> bool:
        try:
            return _CLIENT.get(self.url).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@dataclass(frozen=True)
class Listens:
    """Ready when a port of this machine accepts connections."""

    port: int

    def __call__(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something that is done once on the way up.

    Args:
        run: Does it; raises a LauncherError when it cannot be done.
        after: Components that must be ready first.
    """

    name: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Process:
    """A program that keeps running until it is stopped.

    Args:
        name: Also the name of its log and its record.
        env: The whole environment: the process sees no other variable.
        made_from: Files and folders whose content decides what runs: after a change the process is
            restarted.
        ready: Whether it can be used.
        ports: The ports where it listens, by the variable that changes each.
        after: Components that must be ready first.
        user: The account it runs under, if that is not ours.
        stop_signal: Makes it finish its work and end.
        stop_order: Those with the lowest number are stopped first, equal ones together.
        stop_seconds: How long it may take to end before it is killed.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    made_from: tuple[Path, ...] = ()
    ready: Callable[[], bool]
    ports: Mapping[str, int] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    user: str | None = None
    stop_signal: int = signal.SIGTERM
    stop_order: int = 0
    stop_seconds: float = 20.0


Component = Task | Process
