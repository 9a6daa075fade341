"""`auth-service serve` as its own processes, for what only several workers can show."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import httpx
import psutil


@dataclass(frozen=True)
class Served:
    """A server with several workers."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> httpx.Response:
        """GET on a new connection, so that any worker may answer."""
        return httpx.get(self.url + path, timeout=30)

    def post(self, path: str, body: Mapping[str, object]) -> httpx.Response:
        """POST JSON on a new connection."""
        return httpx.post(self.url + path, json=body, timeout=30)

    def workers(self) -> list[psutil.Process]:
        """The worker processes, without Python's resource tracker."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if _is_worker(child)]


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


@contextmanager
def served(
    environ: Mapping[str, str], *, workers: int = 2, log: IO[bytes] | None = None
) -> Iterator[Served]:
    """Run the server on a free port until the block ends; its log may go to a file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "auth_service", "serve", "--port", str(port)]
    command += ["--workers", str(workers)]
    process = subprocess.Popen(command, env=dict(environ), stderr=log)
    server = Served(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(server: Served) -> None:
    for _ in range(300):
        assert server.process.poll() is None, "the server ended"
        try:
            if server.get("/livez").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server never answered")
