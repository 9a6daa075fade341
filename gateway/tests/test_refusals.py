"""What the gateway refuses itself looks like a refusal of the services, and theirs stay theirs."""

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dev.processes.ports import free_port
from e2e.waiting import until
from gateway.tests.stand_in import Gateway

ORIGINAL = Path(__file__).parents[1]


def assert_refusal(answer: httpx.Response, status: int, code: str) -> None:
    """Status and code are these, and the shape is that of the API."""
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"detail", "code"}
    assert answer.json()["detail"].endswith(".")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nowhere", "/api/", "/internal/users", "/admin/../metrics"])
def test_an_address_that_is_not_there(public: Gateway, path: str) -> None:
    """Denied and unknown addresses are not distinguished."""
    assert_refusal(public.get(path), 404, "not_found")


def test_a_large_body(public: Gateway) -> None:
    """The same code as a service's own limit has."""
    answer = public.request("POST", "/api/token/obtain", content=b"x" * 8193)

    assert_refusal(answer, 413, "body_too_large")


def test_too_many_requests_a_second(
    start: Callable[..., Gateway], upstreams: dict[str, str]
) -> None:
    """The limit per address says when to come back."""
    limited = start(**upstreams, TOKEN_RPS="1", TOKEN_BURST="1")

    answers = [limited.request("POST", "/api/token/obtain") for _ in range(5)]

    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        assert_refusal(answer, 429, "too_many_requests")
        assert int(answer.headers["Retry-After"]) >= 1


def test_too_many_requests_in_flight(public: Gateway) -> None:
    """So does the limit on what all clients have in flight."""
    with ExitStack() as waiting:
        for _ in range(99):
            waiting.enter_context(_slow(public))

        def refusal() -> httpx.Response | None:
            # The next one takes the last place, unless the request of the last look still has it.
            waiting.enter_context(_slow(public))
            answer = public.request("POST", "/api/stripe-webhook")
            return None if answer.status_code == 200 else answer

        refused = until(refusal)

    assert_refusal(refused, 429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) >= 1


def test_a_service_that_is_down(start: Callable[..., Gateway], upstreams: dict[str, str]) -> None:
    """Before and after the health check has noticed, the answer is the services' own 503."""
    gone = start(**{**upstreams, "BILLING_UPSTREAMS": f"http://127.0.0.1:{free_port()}"})

    for _ in range(3):
        answer = gone.get("/api/subscriptions/status")
        assert_refusal(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_service_that_does_not_answer_in_time(
    start: Callable[..., Gateway], upstreams: dict[str, str], tmp_path: Path
) -> None:
    """It may have done its work, so the code is not that of a request that can be repeated."""
    routes = (ORIGINAL / "dynamic" / "routes.yml").read_text()
    assert "responseHeaderTimeout: 30s" in routes
    (tmp_path / "dynamic").mkdir()
    changed = routes.replace("responseHeaderTimeout: 30s", "responseHeaderTimeout: 1s")
    (tmp_path / "dynamic" / "routes.yml").write_text(changed)
    (tmp_path / "traefik.yml").write_text((ORIGINAL / "traefik.yml").read_text())
    gateway = start(tmp_path, **upstreams)

    answer = gateway.request("POST", "/api/subscriptions/subscribe?seconds=4")

    assert_refusal(answer, 504, "gateway_timeout")


def test_a_malformed_chunk_is_the_clients_fault(public: Gateway) -> None:
    """It is a 400, and not a 500 that would page an operator."""
    head = "POST /api/token/obtain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = _raw(public, head.encode() + b"no length\r\nx\r\n0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "malformed_body"


def test_a_body_that_does_not_arrive(
    start: Callable[..., Gateway], upstreams: dict[str, str], tmp_path: Path
) -> None:
    """A sender who is too slow gets a 408, whether the length was announced or not."""
    static = (ORIGINAL / "traefik.yml").read_text()
    (tmp_path / "traefik.yml").write_text(static.replace("readTimeout: 30s", "readTimeout: 2s"))
    (tmp_path / "dynamic").symlink_to(ORIGINAL / "dynamic")
    gateway = start(tmp_path, **upstreams)
    head = b"POST /api/token/obtain HTTP/1.1\r\nHost: x\r\n"

    announced = _raw(gateway, head + b"Content-Length: 10\r\n\r\nx")
    chunked = _raw(gateway, head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n")

    for answer in (announced, chunked):
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("path", ["/api/token/obtain", "/api/subscriptions/subscribe", "/admin/"])
def test_refusals_of_a_service_pass_unchanged(public: Gateway, path: str, status: int) -> None:
    """Their statuses are the same as the gateway's; their codes say more."""
    answer = public.request("POST", f"{path}?status={status}")

    assert answer.status_code == status
    assert answer.json()["path"] == f"{path}?status={status}"


def test_a_refusal_has_no_body_for_head(public: Gateway) -> None:
    """HEAD gets the same status and headers alone."""
    answer = public.request("HEAD", "/nowhere")

    assert (answer.status_code, answer.content) == (404, b"")
    assert int(answer.headers["Content-Length"]) > 0


def _slow(gateway: Gateway) -> socket.socket:
    address = urlsplit(gateway.url)
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    connection.sendall(b"POST /api/stripe-webhook?seconds=10 HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection


def _raw(gateway: Gateway, request: bytes) -> bytes:
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.settimeout(60)
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(4096), b""))
