"""Replicas that stop, one after the other, while requests go on."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from dev.processes.components import Answers, Process
from dev.processes.ports import free_port
from dev.system import System
from e2e.people import Person
from e2e.system import RunningSystem, free_ports, whole_system

# As long as the gateway needs to notice: an interval, a timeout, and a margin for a busy machine.
DRAIN_SECONDS = "4"
CLIENTS = 8
PAUSE_SECONDS = 0.15


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system with two replicas of each service."""
    ports, second = free_ports(), {"auth": free_port(), "billing": free_port()}
    upstreams = {
        f"{name.upper()}_UPSTREAMS": ",".join(
            f"http://127.0.0.1:{port}" for port in (ports[f"{name.upper()}_PORT"], second[name])
        )
        for name in second
    }

    def with_second_replicas(system: System) -> System:
        extra = tuple(
            _second(system.process(f"{name}-service"), port=port) for name, port in second.items()
        )
        return replace(system, components=(*system.components, *extra))

    with whole_system(
        tmp_path_factory.mktemp("replicas"),
        prepare=with_second_replicas,
        DRAIN_SECONDS=DRAIN_SECONDS,
        **ports,
        **upstreams,
    ) as running:
        yield running


def _second(process: Process, *, port: int) -> Process:
    """Another replica of a service, on a port of its own."""
    [first] = process.ports.values()
    return replace(
        process,
        name=f"{process.name}-2",
        argv=tuple(str(port) if argument == str(first) else argument for argument in process.argv),
        env={
            name: value.replace(f":{first}", f":{port}") if name == "BILLING_BIND" else value
            for name, value in process.env.items()
        },
        ready=Answers(f"http://127.0.0.1:{port}/readyz"),
        ports={},
        after=(process.name,),
    )


@pytest.mark.parametrize("service", ["auth-service", "billing-service"])
def test_no_request_fails_while_a_replica_is_replaced(
    replicas: RunningSystem, service: str
) -> None:
    """A rolling update: each replica is stopped and started again under traffic."""
    person = replicas.new_person()
    person.subscribe()

    with traffic(replicas, person) as answers, slow_bodies(replicas):
        for name in (service, f"{service}-2"):
            replicas.restart(name)
            # The gateway sends requests to it again after a second.
            time.sleep(3)

    assert len(answers) > 100
    assert Counter(answers) == {200: len(answers)}


def test_the_keys_are_there_while_the_database_is_stopped(replicas: RunningSystem) -> None:
    """Other services verify tokens through an outage, and no replica is taken out."""
    replicas.stop("postgres")
    try:
        statuses = [
            replicas.client.get(f"{replicas.url}/.well-known/jwks.json").status_code
            for _ in range(20)
        ]
    finally:
        replicas.start("postgres")

    assert statuses == [200] * 20


@contextmanager
def traffic(running: RunningSystem, person: Person) -> Iterator[list[int]]:
    """Requests of both services within, each status in the list; 0 stands for no answer."""
    over, answers = threading.Event(), list[int]()
    headers = {"Authorization": f"JWT {person.access}"}
    requests: tuple[Callable[[httpx.Client], httpx.Response], ...] = (
        lambda client: client.get(f"{running.url}/api/subscriptions/status", headers=headers),
        lambda client: client.get(f"{running.url}/.well-known/jwks.json"),
        lambda client: client.post(
            f"{running.url}/api/token/verify", json={"token": person.access}
        ),
        lambda client: client.get(f"{running.url}/api/subscriptions/entitlements", headers=headers),
    )

    def ask(number: int) -> None:
        with httpx.Client(timeout=40, trust_env=False) as client:
            while not over.is_set():
                number += 1
                try:
                    answers.append(requests[number % len(requests)](client).status_code)
                except httpx.TransportError:
                    answers.append(0)
                over.wait(PAUSE_SECONDS)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(CLIENTS):
            pool.submit(ask, number)
        try:
            yield answers
        finally:
            over.set()


@contextmanager
def slow_bodies(running: RunningSystem) -> Iterator[None]:
    """Some clients need long to send what they announced."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    head = b"POST /api/token/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n"
    head += b"Content-Type: application/json\r\n\r\n{"
    opened = [socket.create_connection((host, int(port))) for _ in range(4)]
    for connection in opened:
        connection.sendall(head)
    try:
        yield
    finally:
        for connection in opened:
            connection.close()
