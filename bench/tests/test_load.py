"""The client counts what the server really answered."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import Clients, complete_body, drive, json_post, once, refreshing, repeat
from bench.processes import BenchError


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        answer = b'{"refresh": "token-%d"}' % len(self.bodies)
        self.send_response(500 if b"break" in body else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    _Handler.bodies = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    # Daemon threads would keep their keep-alive sockets open past the test.
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_request_is_counted_once(server: ThreadingHTTPServer) -> None:
    """Ten requests shared by two connections give ten latencies and reach the server once each."""
    requests = iter([json_post("/", {"number": number}) for number in range(10)])

    [seen] = drive(server.server_port, [Clients("ten", [once(requests)] * 2)], seconds=30)

    assert len(seen.latencies) == 10
    assert seen.statuses == {200: 10}
    assert len(set(_Handler.bodies)) == 10


def test_a_refreshing_client_presents_the_token_it_was_given(server: ThreadingHTTPServer) -> None:
    """Each answer's refresh token is the next request's."""
    following = refreshing("/", refresh_token="token-0")
    answers = 0

    def three_times(body: bytes) -> bytes | None:
        nonlocal answers
        answers += 1
        return following(body) if answers <= 3 else None

    drive(server.server_port, [Clients("refresh", [three_times])], seconds=30)

    assert _Handler.bodies == [b'{"refresh": "token-%d"}' % number for number in range(3)]


def test_a_failing_server_is_no_fast_server(server: ThreadingHTTPServer) -> None:
    """An error ends the run with its body, unless the plan expects it."""
    broken = json_post("/", {"break": True})

    with pytest.raises(BenchError, match=r"500: 1.*token-1"):
        drive(server.server_port, [Clients("errors", [once([broken])])], seconds=30)
    [seen] = drive(
        server.server_port,
        [Clients("errors", [once([broken])], frozenset({500}))],
        seconds=30,
    )

    assert seen.statuses == {500: 1}


def test_a_run_stops_when_its_time_is_over(server: ThreadingHTTPServer) -> None:
    """A script without an end is ended by the clock."""
    endless = repeat([json_post("/", {})])

    [seen] = drive(server.server_port, [Clients("endless", [endless])], seconds=0.1)

    assert seen.statuses[200] == len(seen.latencies) > 0


def test_answers_are_complete_only_when_their_last_byte_is_here() -> None:
    """Both ways to end a body are followed, and an unbounded one is refused."""
    sized = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: y\r\n\r\nbody"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"

    assert [complete_body(sized[:end]) for end in (10, len(sized) - 1)] == [None, None]
    assert complete_body(sized) == b"body"
    assert complete_body(chunked[:-1]) is None
    assert complete_body(chunked) is not None
    with pytest.raises(BenchError, match="without a length"):
        complete_body(b"HTTP/1.1 200 OK\r\n\r\nbody")
