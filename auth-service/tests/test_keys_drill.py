"""A key rotation under traffic, with real workers, and that the drill notices a bad one."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from auth_service.clock import utc_now
from auth_service.commands.drill import run_drill
from auth_service.commands.drill_traffic import Traffic, outcome_of
from auth_service.keys import KeyStore, KeyTimings
from auth_service.tables import refresh_family
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service
from tests.served import Served, served

ACCESS_SECONDS = 5
RPS = 40


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys for this module only: a rotation of the other tests' keys would disturb them."""
    directory = tmp_path_factory.mktemp("drill") / "keys"
    timings = KeyTimings(access_lifetime_seconds=0, refresh_lifetime_seconds=0)
    store = KeyStore(directory, passphrase=None, environment="local", timings=timings)
    store.ensure(now=utc_now(), spare=False)
    return directory


@pytest.fixture(scope="module")
def two_workers(keys_dir: Path, environ: dict[str, str]) -> Iterator[Served]:
    """A server whose access tokens expire after five seconds."""
    own = {"KEYS_DIR": str(keys_dir), "ACCESS_TOKEN_LIFETIME_SECONDS": str(ACCESS_SECONDS)}
    quiet = {"PATH": os.environ["PATH"], "LOG_LEVEL": "ERROR"}
    with served({**environ, **own, **quiet}) as server:
        yield server


Drill = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def drill(
    service: Service, add_user: Callable[..., User], two_workers: Served, keys_dir: Path
) -> Drill:
    """Rotate with some timings under traffic; returns the exit code and the printed lines."""
    _ = service
    add_user("ada")

    def run(timings: KeyTimings, *, lead_seconds: int) -> tuple[int, list[str]]:
        printed: list[str] = []
        store = KeyStore(keys_dir, passphrase=None, environment="local", timings=timings)
        with httpx.Client(base_url=two_workers.url, timeout=30) as auth:
            traffic = Traffic(auth=auth, billing=None, username="ada", password=PASSWORD, rps=RPS)
            lead = timedelta(seconds=lead_seconds)
            code = run_drill(traffic, store, lead=lead, clock=utc_now, say=printed.append)
        return code, printed

    return run


def test_a_rotation_under_load_costs_no_token(drill: Drill) -> None:
    """Users notice nothing, not even those who did not refresh during the rotation."""
    timings = KeyTimings(
        access_lifetime_seconds=ACCESS_SECONDS, refresh_lifetime_seconds=86_400, skew_seconds=1
    )

    code, printed = drill(timings, lead_seconds=3)

    assert code == 0, "\n".join(printed)
    assert printed[-1].strip() == "Rejected tokens: 0"
    phases = "\n".join(printed)
    assert "old key signs" in phases
    assert "old key retiring" in phases
    assert "old key no longer published" in phases


def test_a_rotation_that_rejects_valid_tokens_is_noticed(drill: Drill) -> None:
    """A drill that could only succeed would prove nothing."""
    careless = KeyTimings(access_lifetime_seconds=0, refresh_lifetime_seconds=0, skew_seconds=0)

    code, printed = drill(careless, lead_seconds=0)

    assert code == 1
    assert "Rejected tokens: 0" not in printed[-1]


def test_the_traffic_leaves_few_sessions(
    service: Service, add_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it logs in, the account does not reach its limit of sessions."""
    add_user("ada")
    monkeypatch.setattr("auth_service.commands.drill_traffic._SHARES", {"obtain": 1})
    with httpx.Client(base_url=service.url, timeout=30) as auth:
        traffic = Traffic(auth=auth, billing=None, username="ada", password=PASSWORD, rps=RPS)
        threads = traffic.start()
        while traffic.count_of("accepted") < 40:
            time.sleep(0.1)
        traffic.stop(threads)

    live = select(func.count()).where(refresh_family.c.revoked_at.is_(None))
    with service.engine.connect() as connection:
        assert connection.scalar(live) == 16


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, "{}", "accepted"),
        (404, '{"code": "no_subscription"}', "accepted"),
        (404, "not found", "failed"),
        (401, "{}", "rejected"),
        (429, "[]", "throttled"),
        (503, "", "failed"),
    ],
)
def test_only_a_refused_token_counts_as_rejected(status: int, body: str, outcome: str) -> None:
    """A user without a subscription has a valid token; a busy service did not look at it."""
    assert outcome_of(httpx.Response(status, text=body)) == outcome


def test_a_request_without_a_response_counts_as_failed() -> None:
    """A connection that breaks says nothing about the token."""
    assert outcome_of(None) == "failed"
