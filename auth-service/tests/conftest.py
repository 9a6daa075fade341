"""One PostgreSQL, one key directory and one server for all tests; an empty database for each."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg2
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, make_url, text

from auth_service.app import create_app
from auth_service.audit import Origin
from auth_service.clock import utc_now
from auth_service.commands.key_store import ensure_keys
from auth_service.database import open_engine
from auth_service.migrations import migrate
from auth_service.passwords.hashing import hash_password
from auth_service.routes.dependencies import AppState
from auth_service.settings import Settings, load_settings
from auth_service.tables import metadata
from auth_service.users import changes
from auth_service.users.accounts import User
from auth_service.users.changes import NewUser
from tests.mails import Mailbox
from tests.served import served

# Nothing is written into the source folder, which is read-only in a container.
hypothesis_settings.register_profile("here", database=None)
hypothesis_settings.load_profile("here")

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENT_SECRET = "test-secret-of-billing-service-0123456789"
PASSWORD = "correct horse battery"


@dataclass
class MovableClock:
    """The server's clock. It runs like the real one until it is stopped; tests move it forward."""

    ahead: timedelta = field(default_factory=timedelta)
    stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        """Read the clock."""
        return (self.stopped_at or datetime.now(UTC)) + self.ahead

    def stop(self) -> None:
        """Stop it, so that only `advance` moves it: for limits of a few seconds."""
        self.stopped_at = datetime.now(UTC)

    def advance(self, **by: float) -> None:
        """Move forward; takes the arguments of `timedelta`."""
        self.ahead += timedelta(**by)


@dataclass(frozen=True)
class Service:
    """A running server, and the state of its application."""

    url: str
    app: FastAPI
    clock: MovableClock

    @property
    def state(self) -> AppState:
        """The state of the running application."""
        state: AppState = self.app.state.auth
        return state

    @property
    def engine(self) -> Engine:
        """The server's own connection pool."""
        return self.state.engine


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Use the server that TEST_DATABASE_URL names, or start one."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    # The server ends when its standard input is closed, also when this process is killed.
    with subprocess.Popen(
        [REPOSITORY / "dev/.venv/bin/python", "-m", "dev.programs.temporary_postgres"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url, "PostgreSQL did not start; its reason is above."
        yield url
        server.stdin.close()


@pytest.fixture(scope="session")
def database_url(postgres_url: str) -> Iterator[str]:
    """Create a database for these tests, with the latest schema."""
    name = f"auth_test_{uuid4().hex[:12]}"
    _as_superuser(postgres_url, f'CREATE DATABASE "{name}"')
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    engine = open_engine(make_url(url).set(drivername="postgresql+psycopg2"))
    migrate(engine)
    engine.dispose()
    yield url
    _as_superuser(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _as_superuser(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def environ(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the service under test."""
    return {
        "ENVIRONMENT": "local",
        "AUTH_DATABASE_URL": database_url,
        "AUTH_INTERNAL_CLIENT_SECRET": CLIENT_SECRET,
        "SECOND_FACTOR_KEY": "fedcba9876543210fedcba9876543210",
        "KEYS_DIR": str(tmp_path_factory.mktemp("keys") / "keys"),
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
    }


@pytest.fixture(scope="session")
def settings(environ: dict[str, str]) -> Settings:
    """The settings of the service under test, with signing keys in place."""
    settings = load_settings({**environ, "SIGNUP": "open"})
    ensure_keys(settings, now=utc_now())
    return settings


@pytest.fixture(scope="session")
def running_service(settings: Settings) -> Iterator[Service]:
    """Serve the application over HTTP on a free port for the whole run."""
    clock = MovableClock()
    app = create_app(settings, clock=clock)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        log_config=None,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Service(url=f"http://127.0.0.1:{port}", app=app, clock=clock)
    server.should_exit = True
    thread.join()


@pytest.fixture
def service(running_service: Service) -> Service:
    """The running server with an empty database and the present time."""
    running_service.clock.ahead, running_service.clock.stopped_at = timedelta(), None
    for _ in range(2):
        # The second time, each count is zero and is forgotten.
        running_service.state.login.refused.flush(everything=True)
    with running_service.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name != "feed_position":
                connection.execute(table.delete())
        connection.execute(text("UPDATE feed_position SET seq = 0"))
    return running_service


@pytest.fixture
def empty_database(service: Service, postgres_url: str) -> str:
    """A database without a schema."""
    name = f"auth_empty_{uuid4().hex[:12]}"
    with service.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """A client of the running server."""
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client


@pytest.fixture
def mailbox(service: Service) -> Mailbox:
    """The mails of the running server."""
    return Mailbox(service.engine, service.state.one_time, service.clock)


@pytest.fixture
def clock(service: Service) -> MovableClock:
    """The running server's clock."""
    return service.clock


@cache
def _hash_of(password: str) -> str:
    return hash_password(password)


@pytest.fixture
def add_user(service: Service) -> Callable[..., User]:
    """Create accounts in the database, with PASSWORD by default."""

    def add(username: str = "ada", *, password: str = PASSWORD, **rights: Any) -> User:
        origin, now = Origin(client="test"), service.clock()
        with changes.change(service.engine, origin=origin, now=now) as change:
            new = NewUser(username=username, **rights)
            return changes.create(change, new, password_hash=_hash_of(password))

    return add


@pytest.fixture
def obtain(http: httpx.Client) -> Callable[..., httpx.Response]:
    """Log in over HTTP."""

    def log_in(
        username: str = "ada", password: str = PASSWORD, *, client_ip: str = "192.0.2.1"
    ) -> httpx.Response:
        return http.post(
            "/api/token/obtain",
            json={"username": username, "password": password},
            headers={"X-Forwarded-For": client_ip},
        )

    return log_in


@pytest.fixture
def refresh(http: httpx.Client) -> Callable[[str], httpx.Response]:
    """Refresh over HTTP."""
    return lambda token: http.post("/api/token/refresh", json={"refresh": token})


@pytest.fixture
def as_billing(http: httpx.Client) -> Iterator[httpx.Client]:
    """A client with a service token, as billing-service has."""
    answer = http.post(
        "/internal/token",
        data={"grant_type": "client_credentials"},
        auth=("billing-service", CLIENT_SECRET),
    )
    token = answer.json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=http.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def two_processes(settings: Settings, environ: dict[str, str]) -> Iterator[list[str]]:
    """Two servers, each in a process of its own, with the same database and keys."""
    assert settings.is_local
    environment = {**os.environ, **environ}
    with served(environment, workers=1) as first, served(environment, workers=1) as second:
        yield [first.url, second.url]
