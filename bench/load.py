"""A closed-loop HTTP/1.1 client lean enough not to be what is measured.

Each connection sends its next request when the answer to the last one is complete. Parsing is
limited to what both contenders answer with: a length or chunks, keep-alive.
"""

import asyncio
import gc
import json
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

from bench.processes import BenchError

Script = Callable[[bytes], bytes | None]
"""Gets the last answer's body (empty at first) and returns the next request, or None to stop."""


@dataclass
class Traffic:
    """What a group of connections did in one run."""

    name: str
    seconds: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    last_bad_answer: bytes = b""

    @property
    def requests_per_second(self) -> float:
        return len(self.latencies) / self.seconds


@dataclass(frozen=True)
class Clients:
    """A group of connections, one script each, counted together.

    `tolerated` names statuses besides 2xx that are not a failure of the run.
    """

    name: str
    scripts: Sequence[Script]
    tolerated: frozenset[int] = frozenset()


def request_bytes(
    method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """Encode a request once, so that sending it costs nothing but the write."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_post(path: str, document: Mapping[str, object]) -> bytes:
    """Encode a POST of a JSON document."""
    headers = {"Content-Type": "application/json"}
    return request_bytes("POST", path, headers=headers, body=json.dumps(document).encode())


def repeat(requests: Sequence[bytes]) -> Script:
    """Send the same requests round and round."""
    position = 0

    def script(_previous_body: bytes) -> bytes:
        nonlocal position
        request = requests[position]
        position = (position + 1) % len(requests)
        return request

    return script


def once(requests: Iterable[bytes]) -> Script:
    """Send each request once; connections that share an iterator share the work."""
    remaining: Iterator[bytes] = iter(requests)
    return lambda _previous_body: next(remaining, None)


def refreshing(path: str, *, refresh_token: str) -> Script:
    """Follow a refresh family: each answer's refresh token is the next request's."""
    current = refresh_token

    def script(previous_body: bytes) -> bytes:
        nonlocal current
        if previous_body:
            current = json.loads(previous_body).get("refresh", current)
        return json_post(path, {"refresh": current})

    return script


class _Connection(asyncio.Protocol):
    def __init__(self, script: Script, traffic: Traffic, clock: "_Clock") -> None:
        self._script = script
        self._traffic = traffic
        self._clock = clock
        self._received = b""
        self._sent_at = 0.0
        self._waiting = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without the base class.
        self._transport = cast(asyncio.Transport, transport)
        self._send(b"")

    def _send(self, previous_body: bytes) -> None:
        now = time.perf_counter()
        request = None if now >= self._clock.stop_at else self._script(previous_body)
        if request is None:
            self._transport.close()
            return
        self._waiting = True
        self._transport.write(request)
        self._sent_at = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        body = complete_body(self._received)
        if body is None:
            return
        status = int(self._received[9:12])
        self._received = b""
        self._waiting = False
        self._traffic.latencies.append(time.perf_counter() - self._sent_at)
        self._traffic.statuses[status] += 1
        if status >= 300:
            self._traffic.last_bad_answer = body
            body = b""
        self._send(body)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._traffic.dropped += self._waiting
        self.closed.set_result(None)


def complete_body(received: bytes) -> bytes | None:
    """Return the body of a response that has arrived in full, None while it has not.

    Raises:
        BenchError: The response states neither a length nor chunks.
    """
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    head = received[:head_end].lower()
    start = head_end + 4
    mark = head.find(b"\r\ncontent-length:")
    if mark >= 0:
        line_end = head.find(b"\r\n", mark + 2)
        length = int(head[mark + 17 : line_end if line_end > 0 else head_end])
        return received[start : start + length] if len(received) >= start + length else None
    if b"\r\ntransfer-encoding: chunked" in head:
        return received[start:] if received.endswith(b"0\r\n\r\n") else None
    if received[9:12] in {b"204", b"304"}:
        return b""
    raise BenchError(f"an answer without a length: {received[:200]!r}")


@dataclass
class _Clock:
    stop_at: float


def drive(
    port: int, groups: Sequence[Clients], *, seconds: float, host: str = "127.0.0.1"
) -> list[Traffic]:
    """Run groups of connections against a server for a while and count what they saw.

    Args:
        port: Where the server listens.
        groups: Connections by what they do.
        seconds: For how long new requests are started; scripts that end stop earlier.
        host: A loopback address; load never leaves this machine.

    Raises:
        BenchError: An answer had a status that its group does not tolerate.
    """
    # A collection in the middle of a run would show up as the server's latency.
    gc.collect()
    gc.disable()
    try:
        traffic = uvloop.run(_drive(host, port, groups, seconds))
    finally:
        gc.enable()
    for clients, seen in zip(groups, traffic, strict=True):
        _refuse_failures(clients, seen)
    return traffic


async def _drive(host: str, port: int, groups: Sequence[Clients], seconds: float) -> list[Traffic]:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    clock = _Clock(stop_at=started + seconds)
    traffic = [Traffic(clients.name) for clients in groups]
    connections = []
    for clients, seen in zip(groups, traffic, strict=True):
        for script in clients.scripts:
            connect = partial(_Connection, script, seen, clock)
            _, connection = await loop.create_connection(connect, host, port)
            connections.append(connection)
    await asyncio.gather(*(connection.closed for connection in connections))
    elapsed = time.perf_counter() - started
    for seen in traffic:
        seen.seconds = elapsed
    return traffic


def _refuse_failures(clients: Clients, seen: Traffic) -> None:
    bad = {
        status: count
        for status, count in seen.statuses.items()
        if status >= 300 and status not in clients.tolerated
    }
    if bad or seen.dropped or not seen.latencies:
        raise BenchError(
            f"{clients.name}: {len(seen.latencies)} answers, {seen.dropped} connections dropped, "
            f"unexpected statuses {bad}: {seen.last_bad_answer[:500]!r}"
        )
