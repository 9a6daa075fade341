"""A webhook receiver: a real HTTP server that remembers what it was sent."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import stripe


@dataclass(frozen=True)
class Received:
    """One delivery, its signature already verified."""

    event: Any
    signature: str
    status: int


class Receiver:
    """Listens on a free port and answers what `answer` says for each event."""

    def __init__(self, answer: Callable[[Any, int], int] | None = None) -> None:
        self.secret = ""
        self.received: list[Received] = []
        self._answer = answer or (lambda _event, _times: 200)
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver._take(body, self.headers["Stripe-Signature"])
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- likewise
                """Say nothing."""

        return Handler

    def _take(self, body: bytes, signature: str) -> int:
        event = stripe.Webhook.construct_event(body, signature, self.secret)
        with self._changed:
            before = sum(one.event.id == event.id for one in self.received)
            status = self._answer(event, before + 1)
            self.received.append(Received(event, signature, status))
            self._changed.notify_all()
        return status

    def wait_for(self, found: Callable[[list[Received]], bool]) -> list[Received]:
        """What was received, once it is as wanted."""
        with self._changed:
            if not self._changed.wait_for(lambda: found(self.received), 20):
                raise TimeoutError(f"received only {[one.event.type for one in self.received]}")
            return list(self.received)

    def __enter__(self) -> "Receiver":
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
