"""More log-ins at once than the machine can hash: some are refused, other requests are not."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import psutil
import pytest

from auth_service.passwords.hashing import verify_password
from auth_service.settings import Settings
from auth_service.users import login
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service
from tests.served import Served, served

MEBIBYTE = 1024 * 1024


def credentials(number: int) -> dict[str, str]:
    """Of one of the users that log in at once."""
    return {"username": f"user{number}", "password": PASSWORD}


@pytest.fixture
def one_worker(service: Service, settings: Settings, environ: dict[str, str]) -> Iterator[Served]:
    """A server process whose memory can be measured."""
    assert settings.is_local
    assert service.url
    with served({**os.environ, **environ}, workers=1) as server:
        yield server


def test_too_many_log_ins_are_refused(
    service: Service,
    http: httpx.Client,
    add_user: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 503 with Retry-After that counts as no failure; keys and refreshes do not wait."""
    for number in range(60):
        add_user(f"user{number}")
    may_hash = hold_hashes(monkeypatch)

    def log_in(number: int) -> httpx.Response:
        return httpx.post(f"{service.url}/api/token/obtain", json=credentials(number), timeout=60)

    with ThreadPoolExecutor(60) as pool:
        log_ins: list[Future[httpx.Response]] = [pool.submit(log_in, n) for n in range(60)]
        # One hashes and 32 wait at most; the others have their answers before the hash is done.
        while sum(job.done() for job in log_ins) < 60 - 33:
            time.sleep(0.01)
        meanwhile = [http.get(p).status_code for p in ("/livez", "/.well-known/jwks.json")]
        may_hash.set()
        answers = [job.result() for job in log_ins]

    refused = [a for a in answers if a.status_code != 200]
    assert meanwhile == [200, 200]
    assert 27 <= len(refused) <= 59
    assert {(a.status_code, a.json()["code"]) for a in refused} == {(503, "overloaded")}
    assert all(int(a.headers["Retry-After"]) >= 1 for a in refused)
    assert http.post("/api/token/obtain", json=credentials(0)).status_code == 200


def test_one_account_leaves_the_queue_to_others(
    service: Service,
    http: httpx.Client,
    add_user: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixty log-ins of one account from ten addresses: the others log in meanwhile."""
    for number in range(2):
        add_user(f"user{number}")
    may_hash = hold_hashes(monkeypatch)

    def log_in(number: int, client_ip: str) -> httpx.Response:
        return httpx.post(
            f"{service.url}/api/token/obtain",
            json=credentials(number),
            headers={"X-Forwarded-For": client_ip},
            timeout=60,
        )

    with ThreadPoolExecutor(61) as pool:
        flood = [pool.submit(log_in, 0, f"198.51.100.{n % 10}") for n in range(60)]
        # One hashes and three wait at most.
        while sum(job.done() for job in flood) < 60 - 4:
            time.sleep(0.01)
        assert service.state.slot.waiting <= 3
        other = pool.submit(log_in, 1, "203.0.113.7")
        may_hash.set()
        answers = [job.result() for job in flood]

    assert other.result().status_code == 200
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 56
    assert {answer.json()["code"] for answer in refused} == {"too_many_attempts"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    # None of them counts as a failure.
    assert http.post("/api/token/obtain", json=credentials(0)).status_code == 200


def hold_hashes(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make every hash wait for an event."""
    may_hash = threading.Event()

    def slow_verify(password: str, *, password_hash: str) -> bool:
        may_hash.wait(30)
        return verify_password(password, password_hash=password_hash)

    monkeypatch.setattr(login, "verify_password", slow_verify)
    return may_hash


def test_sixty_at_once_take_little_memory(
    one_worker: Served, add_user: Callable[..., User]
) -> None:
    """Sixty hashes at the same time would take more than a gibibyte."""
    for number in range(60):
        add_user(f"user{number}")
    process = psutil.Process(one_worker.process.pid)

    with ThreadPoolExecutor(60) as pool:
        jobs = [
            pool.submit(one_worker.post, "/api/token/obtain", credentials(number))
            for number in range(60)
        ]
        largest = 0
        while not all(job.done() for job in jobs):
            largest = max(largest, process.memory_info().rss)
            time.sleep(0.01)

    answers = [job.result() for job in jobs]
    assert 200 in {answer.status_code for answer in answers}
    assert {a.json()["code"] for a in answers if a.status_code != 200} <= {"overloaded"}
    assert 0 < largest < 250 * MEBIBYTE
