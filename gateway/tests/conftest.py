"""A real Traefik on the repository's files, in front of services that echo."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from dev.processes.interruptions import end_like_ctrl_c
from dev.processes.ports import free_port
from dev.programs import gateway
from gateway.tests.stand_in import Gateway, echo

GATEWAY_DIR = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """A test run that is asked to end stops what it has started."""
    end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="session")
def upstreams() -> Iterator[dict[str, str]]:
    """An auth-service and a billing-service that only echo."""
    servers = {"auth": echo("auth"), "billing": echo("billing")}
    yield {
        f"{name.upper()}_UPSTREAMS": f"http://127.0.0.1:{server.server_port}"
        for name, server in servers.items()
    }
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Gateway]]:
    """Start a Traefik with these variables; all are stopped at the end."""
    started: list[Gateway] = []

    def _start(source: Path = GATEWAY_DIR, *, wait: bool = True, **env: str) -> Gateway:
        target = tmp_path_factory.mktemp("gateway")
        port, ops_port = free_port(), free_port()
        gateway.write_files(source, target, port=port, ops_port=ops_port)
        log = target / "gateway.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                gateway.argv(target),
                # Where it looks for plugins.
                cwd=GATEWAY_DIR,
                env={"PATH": os.environ["PATH"], **env},
                stdout=output,
                stderr=output,
            )
        running = Gateway(
            url=f"http://127.0.0.1:{port}",
            ops_url=f"http://127.0.0.1:{ops_port}",
            log=log,
            process=process,
        )
        started.append(running)
        if wait:
            _wait_for_routes(running)
        return running

    yield _start
    for running in started:
        running.process.terminate()
    for running in started:
        running.process.wait(60)


def _wait_for_routes(running: Gateway) -> None:
    for _ in range(1200):
        try:
            if running.get("/.well-known/jwks.json").status_code != 404:
                return
        except httpx.TransportError:
            assert running.process.poll() is None, running.log.read_text()
        time.sleep(0.05)
    pytest.fail(f"The routes never came up:\n{running.log.read_text()}")


@pytest.fixture(scope="session")
def public(start: Callable[..., Gateway], upstreams: dict[str, str]) -> Gateway:
    """The gateway as it is deployed, but with limits that no test reaches by accident."""
    limits = dict.fromkeys(("TOKEN_RPS", "TOKEN_BURST", "PUBLIC_RPS", "PUBLIC_BURST"), "1000")
    return start(**upstreams, **limits)
