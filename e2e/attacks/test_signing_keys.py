"""Signing keys of a running system: revoked in an emergency, examined."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.attacks.forge import header_of
from e2e.people import ADMIN_NAME, ADMIN_PASSWORD, Person, claims
from e2e.system import RunningSystem, whole_system
from e2e.waiting import until

ACCESS_SECONDS = "20"


@pytest.fixture(scope="module")
def short_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system of its own, whose keys may be changed and whose access tokens live 20 seconds."""
    state_dir = tmp_path_factory.mktemp("keys-system")
    with whole_system(state_dir, ACCESS_TOKEN_LIFETIME_SECONDS=ACCESS_SECONDS) as started:
        yield started


def is_refused_by_all_workers(person: Person) -> bool:
    """Ask often enough that each worker of both services has answered."""
    paths = ("/api/token/me", "/api/subscriptions/status") * 8
    return {person.get(path).status_code for path in paths} == {401}


def auth_service(running: RunningSystem, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of auth-service as its operator does, beside the running workers."""
    process = running.process("auth-service")
    program = Path(process.argv[0])
    return subprocess.run(
        [program, *words],
        cwd=process.cwd,
        env=dict(process.env),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_revoked_key_is_refused_within_seconds_and_the_next_works_at_once(
    short_lived: RunningSystem,
) -> None:
    """The spare is known to billing already, so new tokens work in the same second."""
    spare = auth_service(short_lived, "keys", "spare")
    assert spare.returncode == 0, spare.stderr
    before = short_lived.log_in(ADMIN_NAME, ADMIN_PASSWORD)
    leaked = header_of(before.access)["kid"]

    revoked = auth_service(short_lived, "keys", "revoke", "active", "--yes")

    assert revoked.returncode == 0, revoked.stderr
    assert until(lambda: is_refused_by_all_workers(before))
    assert time.time() < claims(before.access)["exp"], "refused for its key, not for its age"
    after = short_lived.log_in(ADMIN_NAME, ADMIN_PASSWORD)
    assert header_of(after.access)["kid"] != leaked
    assert after.get("/api/subscriptions/status").status_code == 404
    assert after.get("/api/token/me").status_code == 200
    refreshed = short_lived.client.post(
        f"{short_lived.url}/api/token/refresh", json={"refresh": before.refresh}
    )
    assert refreshed.status_code == 401


def test_the_doctor_finds_a_running_system_healthy(short_lived: RunningSystem) -> None:
    """Keys, clock, database, JWKS through the gateway, and the gateway's own configuration."""
    traefik = Path(sys.executable).with_name("traefik")

    examined = auth_service(
        short_lived, "doctor", "--traefik", str(traefik), "--gateway-dir", "../gateway"
    )

    assert examined.returncode == 0, examined.stdout + examined.stderr
    verdicts = [line.split()[0] for line in examined.stdout.splitlines()]
    assert len(verdicts) >= 7
    assert set(verdicts) == {"ok"}
