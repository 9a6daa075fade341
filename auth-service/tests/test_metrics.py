"""What Prometheus reads, whichever worker answers."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from auth_service.observability.metrics_directory import VARIABLE, metrics_directory
from auth_service.settings import Settings
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service
from tests.served import Served, served

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def two_workers(settings: Settings, environ: dict[str, str]) -> Iterator[Served]:
    """A server of two workers on the database and the keys of the other tests."""
    _ = settings
    with served({"PATH": os.environ["PATH"], "LOG_LEVEL": "ERROR", **environ}) as server:
        yield server


def scrape(server: Served) -> Samples:
    """Read `/metrics`; a sample may appear only once."""
    samples: Samples = {}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            name = sample.name, tuple(sorted(sample.labels.items()))
            assert name not in samples
            samples[name] = sample.value
    return samples


def test_requests_of_all_workers_are_added_up(service: Service, two_workers: Served) -> None:
    """A rate from one worker's count would be half of the real one."""
    _ = service
    name = (
        "auth_http_request_seconds_count",
        (("route", "/.well-known/jwks.json"), ("status", "200")),
    )
    before = scrape(two_workers).get(name, 0.0)
    for _ in range(40):
        two_workers.get("/.well-known/jwks.json")

    seen = {scrape(two_workers)[name] - before for _ in range(6)}

    assert seen == {40.0}


def test_logins_and_refreshes_are_counted_by_outcome(
    service: Service, two_workers: Served, add_user: Callable[..., User]
) -> None:
    """An alert can distinguish many wrong passwords from many users."""
    _ = service
    add_user("ada")
    before = scrape(two_workers)
    good = two_workers.post("/api/token/obtain", {"username": "ada", "password": PASSWORD})
    two_workers.post("/api/token/obtain", {"username": "ada", "password": "wrong password"})
    two_workers.post("/api/token/obtain", {"username": "ada"})
    two_workers.post("/api/token/refresh", {"refresh": good.json()["refresh"]})
    two_workers.post("/api/token/refresh", {"refresh": good.json()["access"]})
    after = scrape(two_workers)

    def grown(counter: str, outcome: str) -> float:
        name = counter, (("outcome", outcome),)
        return after.get(name, 0.0) - before.get(name, 0.0)

    assert grown("auth_logins_total", "ok") == 1
    assert grown("auth_logins_total", "invalid_credentials") == 1
    assert grown("auth_logins_total", "validation_error") == 1
    assert grown("auth_refreshes_total", "ok") == 1
    assert grown("auth_refreshes_total", "token_not_valid") == 1


def test_an_unknown_path_adds_no_time_series(service: Service, two_workers: Served) -> None:
    """Otherwise every client could fill the memory of the monitoring."""
    _ = service
    for number in range(3):
        two_workers.get(f"/no/such/path/{number}")

    routes = {dict(labels).get("route") for _, labels in scrape(two_workers)}

    assert "unknown" in routes
    assert not any("such" in str(route) for route in routes)


def test_a_killed_worker_keeps_its_counts_and_loses_its_gauges(
    service: Service, two_workers: Served, settings: Settings
) -> None:
    """Counters never decrease, and no alarm of a process that ended stays on."""
    _ = service
    name = "auth_http_request_seconds_count", (("route", "/livez"), ("status", "200"))
    for _ in range(10):
        two_workers.get("/livez")
    before = scrape(two_workers)
    manifest = settings.keys_dir / "manifest.json"
    good = manifest.read_bytes()
    killed = two_workers.workers()[0].pid
    try:
        manifest.write_bytes(b"{")
        _wait_for(lambda: scrape(two_workers)["auth_key_manifest_alarm", ()] == 1)
        # Each worker looks once a second: now the other one has its alarm on, too.
        time.sleep(3)
        os.kill(killed, signal.SIGKILL)
    finally:
        manifest.write_bytes(good)
    _wait_for(lambda: killed not in [worker.pid for worker in two_workers.workers()])
    _wait_for(lambda: len(two_workers.workers()) == 2)

    _wait_for(lambda: scrape(two_workers)["auth_key_manifest_alarm", ()] == 0)
    after = scrape(two_workers)
    assert after[name] >= before[name]
    assert after["auth_hash_queue_length", ()] == 0


def test_a_broken_manifest_raises_the_alarm_without_any_traffic(
    service: Service, two_workers: Served, settings: Settings
) -> None:
    """The operator is alerted before the first log-in."""
    _ = service
    manifest = settings.keys_dir / "manifest.json"
    good = manifest.read_bytes()
    alarm = "auth_key_manifest_alarm", ()
    try:
        manifest.write_bytes(b"{")
        _wait_for(lambda: scrape(two_workers)[alarm] == 1)
        assert two_workers.get("/.well-known/jwks.json").status_code == 200
    finally:
        manifest.write_bytes(good)
    _wait_for(lambda: scrape(two_workers)[alarm] == 0)


def test_counts_of_an_earlier_run_are_not_added_to_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that an operator names stays; its content is removed."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "metrics"))
    with metrics_directory() as directory:
        (directory / "counter_1.db").write_bytes(b"old")
    with metrics_directory() as directory:
        assert list(directory.iterdir()) == []


def test_without_a_directory_named_a_temporary_one_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A laptop needs no setting, and no file is left."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with metrics_directory() as directory:
        assert os.environ[VARIABLE] == str(directory)
    assert VARIABLE not in os.environ
    assert not directory.exists()


def test_one_process_without_a_directory_reports_itself(http: httpx.Client) -> None:
    """The application can be run by another server than `auth-service serve`."""
    http.get("/.well-known/jwks.json")

    text = http.get("/metrics").text

    assert 'auth_http_request_seconds_count{route="/.well-known/jwks.json",status="200"}' in text
    assert "auth_signing_key_age_seconds" in text


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("the condition was never true")
