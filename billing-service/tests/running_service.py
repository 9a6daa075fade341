"""The service as in production: gunicorn and a worker, on a test's database and Stripe."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.environment import free_port
from tests.sandbox import Sandbox
from tests.service_environment import service_environment

_FOLDER = Path(__file__).resolve().parents[1]
_READY_WITHIN_ATTEMPTS = 300


@contextlib.contextmanager
def running_service(stripe: Sandbox, *, log: Path) -> Iterator[str]:
    """Run web processes and a worker; Stripe delivers to them. Yields the address.

    Args:
        stripe: Gets a webhook endpoint for the time being.
        log: Collects everything they say.
    """
    port = free_port()
    host = _as_seen_from(stripe)
    address = f"http://{host}:{port}"
    commands = [
        [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"],
        [sys.executable, "manage.py", "run_worker"],
    ]
    with log.open("wb") as output, contextlib.ExitStack() as stack:
        secret = stack.enter_context(_endpoint(stripe, f"{address}/api/stripe-webhook/"))
        environment = service_environment(
            BILLING_BIND=f"{host}:{port}",
            BILLING_WORKERS="2",
            LOG_LEVEL="DEBUG",
            STRIPE_WEBHOOK_SECRET=secret,
        )
        started = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=_FOLDER, env=environment, stdout=output, stderr=output
                )
            )
            for command in commands
        ]
        try:
            wait_for(address, started)
            yield address
        finally:
            for process in started:
                process.terminate()


def _as_seen_from(stripe: Sandbox) -> str:
    """Return our address on the way to the sandbox, which may be in another container."""
    base = urlsplit(stripe.base)
    assert base.hostname is not None
    with socket.create_connection((base.hostname, base.port or 80)) as connection:
        host: str = connection.getsockname()[0]
        return host


@contextlib.contextmanager
def _endpoint(stripe: Sandbox, url: str) -> Iterator[str]:
    made = stripe.post("/v1/webhook_endpoints", **{"url": url, "enabled_events[]": "*"})
    try:
        yield made["secret"]
    finally:
        stripe.delete(f"/v1/webhook_endpoints/{made['id']}")


def wait_for(address: str, started: list[subprocess.Popen[bytes]]) -> None:
    """Return when the service at an address is ready."""
    for _ in range(_READY_WITHIN_ATTEMPTS):
        assert all(process.poll() is None for process in started), "a process ended at once"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the service does not answer")
