"""What operators notice: health, logs, a database that restarts, a server that is stopped."""

import json
import logging
import os
import queue
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from auth_service import queries
from auth_service.migrations import migrate, newest_revision
from auth_service.observability.logs import JsonFormatter
from auth_service.routes import jwks
from auth_service.settings import Settings
from auth_service.users.accounts import User
from tests.conftest import CLIENT_SECRET, PASSWORD, Service
from tests.served import served

Obtain = Callable[..., httpx.Response]


def test_livez_and_readyz(http: httpx.Client) -> None:
    """Alive and ready, with and without the slash."""
    for path in ("/livez", "/livez/", "/readyz", "/readyz/"):
        assert http.get(path).status_code == 200


@contextmanager
def at_revision(service: Service, revision: str) -> Iterator[None]:
    """A database whose latest migration is this one."""
    change = text("UPDATE alembic_version SET version_num = :revision")
    with service.engine.begin() as connection:
        connection.execute(change, {"revision": revision})
    try:
        yield
    finally:
        with service.engine.begin() as connection:
            connection.execute(change, {"revision": newest_revision()})


def test_an_unmigrated_database_is_not_ready(service: Service, http: httpx.Client) -> None:
    """A new release gets no requests before its migration has run."""
    with at_revision(service, "0001"):
        assert http.get("/readyz").status_code == 503
        assert http.get("/livez").status_code == 200


def test_a_newer_schema_is_ready(service: Service, http: httpx.Client) -> None:
    """While a release is rolled out, the replicas of the last one go on serving."""
    with at_revision(service, "9999"):
        assert http.get("/readyz").status_code == 200


def test_migrate_leaves_a_newer_schema_alone(service: Service) -> None:
    """A rollback starts the last release, whose migration job runs first and has to succeed."""
    with at_revision(service, "9999"):
        migrate(service.engine)
        with service.engine.connect() as connection:
            assert queries.schema_revision(connection) == "9999"


def test_an_empty_database_is_a_503(
    settings: Settings, environ: dict[str, str], empty_database: str, tmp_path: Path
) -> None:
    """If the service was started before its migration, the log names the command to run."""
    assert settings.is_local
    environment = {**os.environ, **environ, "AUTH_DATABASE_URL": empty_database}
    body = {"username": "ada", "password": PASSWORD}
    with (
        (tmp_path / "log").open("wb") as log,
        served(environment, workers=1, log=log) as server,
    ):
        answers = [server.get("/readyz"), server.post("/api/token/obtain", body)]

    assert [a.status_code for a in answers] == [503, 503]
    assert "auth-service migrate" in (tmp_path / "log").read_text()


def test_a_bug_can_be_found_by_the_id_in_its_answer(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller sends the id to support, who find the traceback in the log."""
    written: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = QueueHandler(written)
    handler.setFormatter(JsonFormatter())
    monkeypatch.setattr(jwks, "_matches", lambda *_: 1 / 0)
    logging.getLogger().addHandler(handler)
    try:
        answer = http.get("/.well-known/jwks.json", headers={"X-Request-Id": "order-66"})
        # The traceback is written after the answer.
        bug = json.loads(written.get(timeout=30).getMessage())
    finally:
        logging.getLogger().removeHandler(handler)

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["X-Request-Id"] == "order-66"
    assert bug["request_id"] == "order-66"
    assert "ZeroDivisionError" in bug["exception"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", bug["time"])
    assert set(bug) == {"time", "level", "logger", "message", "request_id", "exception"}


def test_connections_that_the_database_closed_are_replaced(
    service: Service,
    http: httpx.Client,
    add_user: Callable[..., User],
    obtain: Obtain,
    refresh: Callable[[str], httpx.Response],
) -> None:
    """After a restart of PostgreSQL not one request fails on an old connection."""
    add_user()
    token = obtain().json()["refresh"]
    with service.engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        connection.rollback()

    assert refresh(token).status_code == 200
    assert obtain().status_code == 200
    assert http.get("/readyz").status_code == 200


def test_an_unreachable_database_is_a_503(
    settings: Settings, environ: dict[str, str], tmp_path: Path
) -> None:
    """The response has Retry-After. The process stays alive and still serves the keys."""
    assert settings.is_local
    unreachable = "postgresql://auth:hidden-password@127.0.0.1:1/nothing"
    environment = {**os.environ, **environ, "AUTH_DATABASE_URL": unreachable}
    with (
        (tmp_path / "log").open("wb") as log,
        served(environment, workers=1, log=log) as server,
    ):
        body = {"username": "ada", "password": PASSWORD}
        answer = server.post("/api/token/obtain", body)
        others = [server.get(p).status_code for p in ("/livez", "/readyz", "/healthz")]
        keys = server.get("/.well-known/jwks.json").status_code

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (others, keys) == ([200, 503, 200], 200)
    written = (tmp_path / "log").read_text()
    assert "unavailable" in written
    assert "hidden-password" not in written
    assert PASSWORD not in written


def test_logs_are_json_with_the_request_and_without_secrets(
    settings: Settings,
    environ: dict[str, str],
    service: Service,
    add_user: Callable[..., User],
    tmp_path: Path,
) -> None:
    """Good and bad requests leave neither a password nor a token nor the client's secret."""
    assert settings.is_local
    assert service.url
    add_user()
    environment = {**os.environ, **environ, "LOG_LEVEL": "DEBUG"}
    with (
        (tmp_path / "log").open("wb") as log,
        served(environment, workers=1, log=log) as server,
    ):
        secrets = _use_everything(server.url)
    written = (tmp_path / "log").read_text()

    lines = [json.loads(line) for line in written.splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert any(line.get("request_id") for line in lines)
    assert secrets
    assert [secret for secret in secrets if secret in written] == []


def _use_everything(url: str) -> list[str]:
    with httpx.Client(base_url=url, timeout=30) as client:
        credentials = {"username": "ada", "password": PASSWORD}
        tokens = client.post("/api/token/obtain", json=credentials).json()
        client.post("/api/token/obtain", json={"username": "ada", "password": "wrong-guess-77"})
        client.post("/api/token/obtain", json={"username": "ada\0", "password": "nul-guess-77"})
        client.post("/api/token/obtain", content=b'{"password": "broken-guess-77"')
        fresh = client.post("/api/token/refresh", json={"refresh": tokens["refresh"]}).json()
        client.post("/api/token/refresh", json={"refresh": tokens["access"]})
        client.post("/api/token/verify", json={"token": fresh["access"] + "x"})
        client.post(
            "/api/token/password",
            json={"current_password": PASSWORD, "new_password": "new-pass-77"},
            headers={"Authorization": f"Bearer {fresh['access']}"},
        )
        client.post(
            "/internal/token",
            data={"grant_type": "client_credentials"},
            auth=("billing-service", CLIENT_SECRET),
        )
    guesses = ["wrong-guess-77", "nul-guess-77", "broken-guess-77", "new-pass-77"]
    signatures = [token.rpartition(".")[2] for token in (*tokens.values(), *fresh.values())]
    return [PASSWORD, CLIENT_SECRET, "argon2id", *guesses, *signatures]


def test_a_stopped_server_finishes_its_requests(
    settings: Settings,
    environ: dict[str, str],
    service: Service,
    add_user: Callable[..., User],
) -> None:
    """After SIGTERM during a log-in, the log-in succeeds and the process exits with 0."""
    assert settings.is_local
    assert service.url
    add_user()
    answers: list[int] = []
    with served({**os.environ, **environ}, workers=1) as server:

        def log_in() -> None:
            body = {"username": "ada", "password": PASSWORD}
            answers.append(server.post("/api/token/obtain", body).status_code)

        threads = [threading.Thread(target=log_in) for _ in range(4)]
        for thread in threads:
            thread.start()
        _wait_for_a_log_in(server.url)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.process.wait(timeout=30) == 0

    assert answers == [200] * 4


def test_a_replica_that_is_to_stop_fails_its_check_first(
    settings: Settings, environ: dict[str, str]
) -> None:
    """The gateway takes it out while it still serves; a second signal waits no longer."""
    assert settings.is_local
    environment = {**os.environ, **environ, "DRAIN_SECONDS": "3600"}
    with served(environment, workers=2) as server:
        before = server.get("/healthz").status_code
        server.process.send_signal(signal.SIGTERM)
        while server.get("/healthz").status_code == 200:
            assert server.process.poll() is None
        # Any worker may answer.
        during = {
            path: {server.get(path).status_code for _ in range(10)}
            for path in ("/healthz", "/.well-known/jwks.json")
        }
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0

    assert before == 200
    assert during == {"/healthz": {503}, "/.well-known/jwks.json": {200}}


def test_a_replica_on_an_older_schema_fails_its_check(
    settings: Settings, environ: dict[str, str], empty_database: str
) -> None:
    """No request is sent to a new release before its migration has run."""
    assert settings.is_local
    environment = {**os.environ, **environ, "AUTH_DATABASE_URL": empty_database}
    with served(environment, workers=1) as server:
        assert server.get("/healthz").status_code == 503


def _wait_for_a_log_in(url: str) -> None:
    # Once the queue can be seen in the metrics, the requests have been accepted.
    for _ in range(500):
        exposed = httpx.get(f"{url}/metrics").text
        if 'auth_http_request_seconds_count{route="/api/token/obtain"' in exposed:
            return
        time.sleep(0.01)
    pytest.fail("no log-in was seen")


def test_a_worker_that_was_killed_is_replaced(settings: Settings, environ: dict[str, str]) -> None:
    """The service survives the crash of a worker."""
    assert settings.is_local
    with served({**os.environ, **environ}, workers=2) as server:
        server.workers()[0].kill()
        statuses = {server.get("/livez").status_code for _ in range(20)}
        for _ in range(300):
            if len(server.workers()) == 2:
                break
            time.sleep(0.1)
        assert len(server.workers()) == 2
    assert statuses == {200}
