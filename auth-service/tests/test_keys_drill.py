"""A rotation under live traffic, with real workers; and that the drill would notice a bad one."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from auth_service.clock import utc_now
from auth_service.commands.drill import run_drill
from auth_service.commands.drill_traffic import Traffic, outcome_of
from auth_service.commands.http import Answer, Client
from auth_service.keys import KeyStore, KeyTimings
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service
from tests.served import Served, served

ACCESS_SECONDS = 5
RPS = 40


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of this module alone: rotating those of the other tests would be rude."""
    directory = tmp_path_factory.mktemp("drill") / "keys"
    timings = KeyTimings(access_lifetime_seconds=0, refresh_lifetime_seconds=0)
    store = KeyStore(directory, passphrase=None, environment="local", timings=timings)
    store.ensure(now=utc_now(), spare=False)
    return directory


@pytest.fixture(scope="module")
def two_workers(keys_dir: Path, environ: dict[str, str]) -> Iterator[Served]:
    """A server whose access tokens live five seconds."""
    own = {"KEYS_DIR": str(keys_dir), "ACCESS_TOKEN_LIFETIME_SECONDS": str(ACCESS_SECONDS)}
    quiet = {"PATH": os.environ["PATH"], "LOG_LEVEL": "ERROR"}
    with served({**environ, **own, **quiet}) as server:
        yield server


Drill = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def drill(
    service: Service, add_user: Callable[..., User], two_workers: Served, keys_dir: Path
) -> Drill:
    """Rotate with these timings under traffic; hands back the exit code and what was printed."""
    _ = service
    add_user("ada")

    def run(timings: KeyTimings, *, lead_seconds: int) -> tuple[int, list[str]]:
        printed: list[str] = []
        store = KeyStore(keys_dir, passphrase=None, environment="local", timings=timings)
        with Client(two_workers.url) as auth:
            traffic = Traffic(auth=auth, billing=None, username="ada", password=PASSWORD, rps=RPS)
            lead = timedelta(seconds=lead_seconds)
            code = run_drill(traffic, store, lead=lead, clock=utc_now, say=printed.append)
        return code, printed

    return run


def test_a_rotation_under_load_costs_no_token(drill: Drill) -> None:
    """Users notice nothing: not at the switch, not when the old key leaves, not when away."""
    timings = KeyTimings(
        access_lifetime_seconds=ACCESS_SECONDS, refresh_lifetime_seconds=86_400, skew_seconds=1
    )

    code, printed = drill(timings, lead_seconds=3)

    assert code == 0, "\n".join(printed)
    assert printed[-1].strip() == "Rejected tokens: 0"
    phases = "\n".join(printed)
    assert "old key signs" in phases
    assert "old key retires" in phases
    assert "old key unpublished" in phases


def test_a_rotation_that_forgets_the_tokens_under_way_is_noticed(drill: Drill) -> None:
    """A drill that could only succeed would prove nothing."""
    careless = KeyTimings(access_lifetime_seconds=0, refresh_lifetime_seconds=0, skew_seconds=0)

    code, printed = drill(careless, lead_seconds=0)

    assert code == 1
    assert "Rejected tokens: 0" not in printed[-1]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, {}, b"{}"), "accepted"),
        (Answer(404, {}, b'{"code": "no_subscription"}'), "accepted"),
        (Answer(404, {}, b"not found"), "failed"),
        (Answer(401, {}, b"{}"), "rejected"),
        (Answer(429, {}, b"[]"), "throttled"),
        (Answer(503, {}, b""), "failed"),
        (None, "failed"),
    ],
)
def test_only_a_refusal_of_the_token_counts_as_one(answer: Answer | None, outcome: str) -> None:
    """A user without a subscription was let in; a full house is not a bad token."""
    assert outcome_of(answer) == outcome
