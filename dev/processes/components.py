"""What a system is made of: steps that end, processes that stay, and when each is ready."""

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

# What any program needs from the machine it runs on.
_MACHINE = (
    *("PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)


@dataclass(frozen=True)
class Answers:
    """Ready when a GET of the address gets the status."""

    url: str
    status: int = 200

    def __call__(self) -> bool:
        """Ask once."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
        try:
            connection.request("GET", parts.path or "/")
            with connection.getresponse() as answer:
                return answer.status == self.status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something done once on the way up, after the named parts.

    `run` raises a LauncherError when it cannot be done.
    """

    name: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Process:
    """A program that stays until it is stopped.

    Args:
        name: Also the name of its log and its record.
        argv: The program and its arguments.
        cwd: Where it runs.
        env: The whole environment: what is not in it, the process does not see.
        ready: Tells whether it can be used.
        port: Where it listens, if anywhere, and the variable that moves it.
        after: Parts that must be ready first.
        user: The account to run under, where that is not our own.
        stop_signal: What makes it finish its work and end.
        stop_order: Those with the lowest number are stopped first, those with equal ones together.
        stop_seconds: How long it may take before it is killed.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    ready: Callable[[], bool]
    ports: Mapping[str, int]
    after: tuple[str, ...] = ()
    user: str | None = None
    stop_signal: int
    stop_order: int
    stop_seconds: float = 20.0


Component = Task | Process


def is_of_the_machine(name: str) -> bool:
    """Whether a variable tells about the machine or the terminal, not about the system.

    Args:
        name: A variable of the environment.
    """
    return any(fnmatchcase(name, pattern) for pattern in _MACHINE)
