"""A replica that is stopped."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.environment import free_port
from tests.running_service import wait_for
from tests.service_environment import service_environment

_FOLDER = Path(__file__).resolve().parents[1]


def test_a_replica_that_is_to_stop_fails_its_check_first(transactional_db: None) -> None:
    """The gateway takes it out while it still serves; a second signal waits no longer."""
    address = f"127.0.0.1:{free_port()}"
    environment = service_environment(
        BILLING_BIND=address, BILLING_WORKERS="2", DRAIN_SECONDS="3600"
    )
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    with subprocess.Popen(command, cwd=_FOLDER, env=environment) as server:
        try:
            wait_for(f"http://{address}", [server])
            before = httpx.get(f"http://{address}/healthz").status_code
            server.send_signal(signal.SIGTERM)
            while httpx.get(f"http://{address}/healthz").status_code == 200:
                assert server.poll() is None
            # Any worker may answer.
            during = {
                path: {httpx.get(f"http://{address}{path}").status_code for _ in range(10)}
                for path in ("/healthz", "/readyz")
            }
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=60) == 0
        finally:
            server.kill()

    assert before == 200
    assert during == {"/healthz": {503}, "/readyz": {200}}
