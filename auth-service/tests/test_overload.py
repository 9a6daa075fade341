"""More log-ins at once than the machine can hash: some are turned away, all else goes on."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import psutil
import pytest

from auth_service.settings import Settings
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service
from tests.served import Served, served

MEBIBYTE = 1024 * 1024


@pytest.fixture
def one_worker(service: Service, settings: Settings, environ: dict[str, str]) -> Iterator[Served]:
    """A server process whose memory can be looked at."""
    assert settings.is_local
    assert service.url
    with served({**os.environ, **environ}, workers=1) as server:
        yield server


def test_sixty_at_once(one_worker: Served, add_user: Callable[..., User]) -> None:
    """Some get in, the excess gets a 503 with Retry-After, and memory stays small."""
    add_user()
    process = psutil.Process(one_worker.process.pid)

    def log_in(_: int) -> httpx.Response:
        return one_worker.post("/api/token/obtain", {"username": "ada", "password": PASSWORD})

    with ThreadPoolExecutor(61) as pool:
        log_ins: list[Future[httpx.Response]] = [pool.submit(log_in, n) for n in range(60)]
        meanwhile = [
            one_worker.get(path).status_code for path in ("/livez", "/.well-known/jwks.json") * 5
        ]
        largest = process.memory_info().rss
        answers = [job.result() for job in log_ins]

    refused = [a for a in answers if a.status_code != 200]
    assert meanwhile == [200] * 10
    assert len(answers) - len(refused) >= 1
    assert len(refused) >= 1
    assert {(a.status_code, a.json()["code"]) for a in refused} == {(503, "overloaded")}
    assert all(int(a.headers["Retry-After"]) >= 1 for a in refused)
    assert max(largest, process.memory_info().rss) < 250 * MEBIBYTE


def test_a_turned_away_log_in_is_no_failure(
    one_worker: Served, add_user: Callable[..., User]
) -> None:
    """After a storm of right passwords nobody is throttled."""
    add_user()
    body = {"username": "ada", "password": PASSWORD}
    with ThreadPoolExecutor(60) as pool:
        list(pool.map(lambda _: one_worker.post("/api/token/obtain", body), range(60)))

    assert one_worker.post("/api/token/obtain", body).status_code == 200
