"""What a stranger can try on the edge of the system: unfinished, oversized and odd requests."""

import json
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from e2e.attacks.test_strangers import deliver, event, secret_of
from e2e.people import PASSWORD, Person
from e2e.system import RunningSystem

CONNECTIONS = 230
GROUPS = [
    "/api/token/obtain",
    "/api/token/verify",
    "/api/token/docs",
    "/api/account/reset-password",
    "/account/reset-password",
    "/api/stripe-webhook/",
    "/api/subscriptions/subscribe",
    "/api/docs/",
    "/admin/login/",
    "/static/admin/css/base.css",
]


@pytest.mark.parametrize("path", GROUPS)
def test_unfinished_requests_keep_no_one_out(running: RunningSystem, path: str) -> None:
    """230 senders who never finish, without credentials: all others are served."""
    person = running.new_person()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"
    address = urlsplit(running.url)
    with ExitStack() as senders:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection((address.hostname or "", address.port or 0))
            connection.sendall(head.encode())
            senders.enter_context(connection)

        answers = [
            running.client.post(
                f"{running.url}/api/token/obtain",
                json={"username": person.username, "password": PASSWORD},
            ),
            deliver(running, event(), secret=secret_of(running)),
            person.get("/api/subscriptions/entitlements"),
            person.get("/api/token/me"),
            *(
                running.client.get(f"{running.url}{page}")
                for page in ("/api/docs/", "/admin/login/")
            ),
        ]

    assert [answer.status_code for answer in answers] == [200] * len(answers)


def test_the_gateway_refuses_like_the_services(running: RunningSystem) -> None:
    """A client reads one shape of refusals, and a service's own code is not replaced."""
    large = running.client.post(f"{running.url}/api/token/obtain", content=b"x" * 9000)
    absent = running.client.get(f"{running.url}/internal/users")
    of_a_service = running.client.get(f"{running.url}/api/subscriptions/nothing")
    guess = {"username": "no-user-of-this-name", "password": "a wrong password"}
    guesses = [running.client.post(f"{running.url}/api/token/obtain", json=guess) for _ in range(7)]

    assert_refusal(large, 413, "body_too_large")
    assert_refusal(absent, 404, "not_found")
    assert_refusal(of_a_service, 404, "not_found")
    assert absent.json() == of_a_service.json()
    assert_refusal(guesses[-1], 429, "too_many_attempts")


def assert_refusal(answer: httpx.Response, status: int, code: str) -> None:
    """Status and code are these, in the shape of the API."""
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"detail", "code"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("path", ["/api/token/verify", "/api/subscriptions/cancel"])
def test_a_body_in_another_encoding_is_refused(person: Person, path: str, encoding: str) -> None:
    """A filter in front of us would not see in it what we do."""
    body = json.dumps({"token": "x", "at_period_end": True}).encode(encoding)

    assert_refusal(_post(person, path, body), 400, "malformed_body")


@pytest.mark.parametrize("path", ["/api/token/verify", "/api/subscriptions/cancel"])
def test_a_name_that_appears_twice_is_refused(person: Person, path: str) -> None:
    """At any depth: which of the two counts differs from parser to parser."""
    for body in (b'{"token": "x", "token": "y"}', b'{"token": [{"a": 1, "a": 2}]}'):
        assert_refusal(_post(person, path, body), 400, "malformed_body")


def test_no_page_of_another_origin_reads_an_answer(running: RunningSystem) -> None:
    """Without a list of origins there is no header that would let it."""
    origin = {"Origin": "https://evil.example.com"}
    asked = {**origin, "Access-Control-Request-Method": "POST"}
    for path in ("/api/token/obtain", "/api/subscriptions/status", "/admin/login/"):
        for answer in (
            running.client.options(f"{running.url}{path}", headers=asked),
            running.client.get(f"{running.url}{path}", headers=origin),
        ):
            assert [name for name in answer.headers if name.startswith("access-control")] == []


def _post(person: Person, path: str, body: bytes) -> httpx.Response:
    return person.client.post(
        path,
        content=body,
        headers={"Authorization": f"Bearer {person.access}", "Content-Type": "application/json"},
    )
