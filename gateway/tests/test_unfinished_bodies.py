"""Requests whose bodies never arrive: they keep no other request out, and little memory."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import h2.connection
import httpx
import psutil
import pytest

from e2e.waiting import until
from gateway.tests.stand_in import Gateway

GROUPS = {
    "token-login": "/api/token/obtain",
    "token": "/api/token/verify",
    "account": "/api/account/reset",
    "account-forms": "/account/reset",
    "token-docs": "/api/token/docs",
    "webhook": "/api/stripe-webhook/",
    "subscriptions": "/api/subscriptions/subscribe",
    "docs": "/api/docs/",
    "admin": "/admin/login/",
    "static": "/static/admin/css/base.css",
}
# More than any limit on requests in flight.
CONNECTIONS = 230
# One connection may have 250 streams.
STREAMS = 230
MEBIBYTE = 1_048_576


def test_every_route_is_tried() -> None:
    """A new route comes with a line in the table above."""
    routes = (Path(__file__).parents[1] / "dynamic" / "routes.yml").read_text()
    routers = set(re.findall(r"^    ([a-z-]+):\n      rule:", routes, re.MULTILINE))
    # Those that answer without a service, and pages at the address of a form.
    routers -= {"deny-internal", "elsewhere", "ping", "account-pages"}

    assert routers == set(GROUPS)


@pytest.mark.parametrize("path", GROUPS.values(), ids=GROUPS.keys())
def test_unfinished_bodies_keep_no_one_out(public: Gateway, path: str) -> None:
    """A request counts as in flight when it is complete, so that slow senders hold no slot."""
    with ExitStack() as senders:
        for _ in range(CONNECTIONS):
            senders.enter_context(_unfinished(public, path, length=1000, sent=b"x"))
        _wait_for_connections(public, CONNECTIONS)

        answers = [public.request("POST", each, content=b"x") for each in [*GROUPS.values()] * 3]

    assert [answer.status_code for answer in answers] == [200] * len(answers)


@pytest.mark.parametrize("path", GROUPS.values(), ids=GROUPS.keys())
def test_unfinished_streams_of_one_connection_keep_no_one_out(public: Gateway, path: str) -> None:
    """HTTP/2 needs one connection only for as many unfinished bodies."""
    with _unfinished_streams(public, path, count=STREAMS):
        answers = [public.request("POST", each, content=b"x") for each in [*GROUPS.values()] * 3]

    assert [answer.status_code for answer in answers] == [200] * len(answers)


def test_unfinished_bodies_take_little_memory(
    start: Callable[..., Gateway], upstreams: dict[str, str]
) -> None:
    """Of a large body only the first 64 KiB are in memory; the rest is in a temporary file."""
    gateway = start(**upstreams)
    process = psutil.Process(gateway.process.pid)
    before = process.memory_info().rss

    with ExitStack() as senders:
        for _ in range(CONNECTIONS):
            senders.enter_context(
                _unfinished(gateway, GROUPS["webhook"], length=MEBIBYTE, sent=b"x" * (MEBIBYTE - 1))
            )
        _wait_for_connections(gateway, CONNECTIONS)
        grown = process.memory_info().rss - before

    assert grown < CONNECTIONS * MEBIBYTE / 3


def test_one_address_has_a_bounded_number_of_unfinished_bodies(public: Gateway) -> None:
    """What one address can make the gateway keep has a bound, which others do not share."""
    with ExitStack() as senders:
        for _ in range(300):
            senders.enter_context(_unfinished(public, GROUPS["admin"], length=1000, sent=b"x"))
        _wait_for_connections(public, 300)
        own = until(lambda: public.request("POST", GROUPS["admin"]).status_code == 429)
        transport = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=transport) as client:
            other = client.post(public.url + GROUPS["admin"], content=b"x")

    assert own
    assert other.status_code == 200


@contextmanager
def _unfinished(gateway: Gateway, path: str, *, length: int, sent: bytes) -> Iterator[None]:
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + sent)
        yield


@contextmanager
def _unfinished_streams(gateway: Gateway, path: str, *, count: int) -> Iterator[None]:
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        protocol = h2.connection.H2Connection()
        protocol.initiate_connection()
        for _ in range(count):
            stream = protocol.get_next_available_stream_id()
            head = {":method": "POST", ":scheme": "http", ":authority": "x", ":path": path}
            protocol.send_headers(stream, [*head.items(), ("content-length", "1000")])
            protocol.send_data(stream, b"x")
        protocol.ping(b"received")
        connection.sendall(protocol.data_to_send())
        # The answer to the ping comes after the streams were read.
        seen: list[object] = []
        while not any(type(event).__name__ == "PingAckReceived" for event in seen):
            seen += protocol.receive_data(connection.recv(65_536))
        yield


def _wait_for_connections(gateway: Gateway, count: int) -> None:
    process = psutil.Process(gateway.process.pid)
    port = urlsplit(gateway.url).port

    def accepted() -> bool:
        open_now = [each for each in process.net_connections("tcp") if each.laddr.port == port]
        return sum(each.status == psutil.CONN_ESTABLISHED for each in open_now) >= count

    assert until(accepted)
