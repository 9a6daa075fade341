"""A whole system on free ports, with handles to its processes, logs and databases."""

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from dev import lifecycle
from dev.config.machine import is_of_the_machine
from dev.config.settings import PORT_VARIABLES, Settings, load
from dev.errors import ComponentFailed
from dev.processes import supervise
from dev.processes.components import Process
from dev.processes.ports import free_port
from dev.processes.startup import State
from dev.system import System, system
from e2e.people import PASSWORD, Person, with_tokens

# All requests of the tests come from one address, faster than people send them.
UNLIMITED = dict.fromkeys(
    (
        "TOKEN_RPS",
        "TOKEN_BURST",
        "PUBLIC_RPS",
        "PUBLIC_BURST",
        "CARD_FAILURES_PER_CARD",
        "CARD_FAILURES_PER_SOURCE",
        "SETUP_INTENTS_PER_SOURCE",
    ),
    "100000",
)


def clean_environment(**own: str) -> dict[str, str]:
    """An environment without a `.env` and without variables that a developer has exported.

    Args:
        own: Variables that are set on top.
    """
    machine = {name: value for name, value in os.environ.items() if is_of_the_machine(name)}
    return {**machine, "DEV_ENV_FILE": os.devnull, **own}


def free_ports() -> dict[str, str]:
    """A port for each variable, none of which is in use."""
    return {variable: str(free_port()) for variable in PORT_VARIABLES.values()}


@dataclass
class RunningSystem:
    """A system that is up, with handles to its addresses, logs and processes."""

    system: System
    environ: Mapping[str, str] = field(repr=False)
    client: httpx.Client = field(repr=False)
    people: list[Person] = field(default_factory=list, repr=False)
    _service_token: tuple[float, str] = (0.0, "")

    @property
    def settings(self) -> Settings:
        """The settings it was started with."""
        return self.system.settings

    @property
    def url(self) -> str:
        """The public address: the gateway."""
        return self.settings.public_url

    @property
    def auth_url(self) -> str:
        """auth-service itself, past the gateway."""
        return f"http://127.0.0.1:{self.settings.ports.auth}"

    @property
    def billing_url(self) -> str:
        """billing-service itself, past the gateway."""
        return f"http://127.0.0.1:{self.settings.ports.billing}"

    @property
    def sandbox_url(self) -> str:
        """The Stripe sandbox."""
        assert self.settings.sandbox_url is not None
        return self.settings.sandbox_url

    def log(self, name: str) -> str:
        """The whole log of a process or task."""
        return (self.settings.log_dir / f"{name}.log").read_text(errors="replace")

    def internal(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Call auth-service's internal API as billing-service does."""
        headers = {"Authorization": f"Bearer {self.service_token()}"}
        headers |= request.pop("headers", {})
        return self.client.request(method, f"{self.auth_url}{path}", headers=headers, **request)

    def new_person(self, **attributes: Any) -> Person:
        """Create a user at auth-service and log them in through the gateway."""
        username = attributes.pop("username", f"user-{uuid.uuid4().hex[:12]}")
        body = {"username": username, "password": PASSWORD} | attributes
        created = self.internal(
            "POST", "/internal/users", json=body, headers={"Idempotency-Key": str(uuid.uuid4())}
        )
        assert created.status_code == 201, created.text
        return self.log_in(username, PASSWORD, user_id=created.json()["id"])

    def log_in(self, username: str, password: str, *, user_id: str = "") -> Person:
        """Obtain tokens for a user that exists."""
        answer = self.client.post(
            f"{self.url}/api/token/obtain", json={"username": username, "password": password}
        )
        assert answer.status_code == 200, answer.text
        person = with_tokens(answer.json(), base_url=self.url, username=username, user_id=user_id)
        self.people.append(person)
        return person

    def process(self, name: str) -> Process:
        """The process of this name."""
        return self.system.process(name)

    def pid(self, name: str) -> int | None:
        """The pid of a process that is running."""
        record = supervise.recorded(self.settings.run_dir, name)
        process = record.process() if record else None
        return process.pid if process else None

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Stop one process, or kill it."""
        process = self.process(name)
        record = supervise.recorded(self.settings.run_dir, name)
        assert record is not None, f"{name} was never started"
        if kill:
            # With its workers, like the end of a container: orphans would keep the port.
            os.killpg(record.pid, signal.SIGKILL)
        supervise.stop(process, run_dir=self.settings.run_dir)

    def start(self, name: str) -> None:
        """Start one process again and wait until it is ready."""
        process = self.process(name)
        log = self.settings.log_dir / f"{name}.log"
        # What the process logged before it was stopped is searched at the end, too.
        if log.exists():
            log.rename(log.with_suffix(f".{time.time_ns()}.log"))
        child = supervise.start(process, run_dir=self.settings.run_dir, log=log)
        supervise.wait_until_ready(process, child, log=log)

    def restart(self, name: str, *, kill: bool = False) -> None:
        """Stop and start one process."""
        self.stop(name, kill=kill)
        self.start(name)

    def sql(self, database: str, query: str) -> str:
        """Run a statement in one of the databases, as the superuser."""
        return self.system.cluster.query(
            query,
            database=database,
            port=self.settings.ports.postgres,
            password=self.settings.values["POSTGRES_PASSWORD"],
        )

    def dump(self, database: str) -> str:
        """Everything that one of the databases holds, as text."""
        return self.system.cluster.dump(
            database,
            port=self.settings.ports.postgres,
            password=self.settings.values["POSTGRES_PASSWORD"],
        )

    def service_token(self) -> str:
        """A token of billing-service for auth-service's internal API."""
        expires, token = self._service_token
        if time.monotonic() > expires:
            answer = self.client.post(
                f"{self.auth_url}/internal/token",
                auth=("billing-service", self.settings.values["AUTH_INTERNAL_CLIENT_SECRET"]),
                data={"grant_type": "client_credentials"},
            )
            assert answer.status_code == 200, answer.text
            token = answer.json()["access_token"]
            self._service_token = (time.monotonic() + answer.json()["expires_in"] / 2, token)
        return token


def log_files(settings: Settings) -> list[Path]:
    """Every log of the system, those of stopped processes included."""
    return sorted(settings.log_dir.glob("*.log"))


def silent(_name: str, _state: State, *, seconds: float) -> None:
    """Show no progress."""


def bring_up(system: System) -> None:
    """Start the system; what fails shows the end of its log."""
    try:
        lifecycle.bring_up(system, watcher=silent)
    except ComponentFailed as error:
        error.add_note(error.log_tail())
        raise


@contextmanager
def whole_system(
    state_dir: Path, *, prepare: Callable[[System], System] = lambda system: system, **settings: str
) -> Iterator[RunningSystem]:
    """Run a system on free ports with a state directory of its own, and remove it afterwards.

    Args:
        state_dir: Its state directory.
        prepare: Changes the system before it is started.
        settings: Environment variables that differ from the defaults.
    """
    own = {"DEV_STATE_DIR": str(state_dir), **UNLIMITED, **free_ports(), **settings}
    environ = clean_environment(**own)
    whole = prepare(system(load(environ)))
    try:
        bring_up(whole)
        with httpx.Client(timeout=40, trust_env=False) as client:
            started = RunningSystem(whole, environ, client)
            yield started
            for person in started.people:
                person.client.close()
    finally:
        lifecycle.take_down(whole)
        whole.cluster.remove()
