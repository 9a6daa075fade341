"""Stands between billing-service and the sandbox and times the Stripe calls that pass."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class StripeCall:
    """One request as seen on the wire."""

    request_line: str
    started: float
    ended: float

    @property
    def seconds(self) -> float:
        """Time from the request's first byte to the answer's last."""
        return self.ended - self.started


@dataclass
class StripeMeter:
    """Calls in the order they began; `forget` between measurements."""

    calls: list[StripeCall] = field(default_factory=list)

    def forget(self) -> None:
        """Drop what has been noted so far."""
        self.calls.clear()


@contextmanager
def stripe_meter(*, port: int, upstream_port: int) -> Iterator[StripeMeter]:
    """Relay a port of the loopback address to the sandbox's, in a thread of its own.

    Args:
        port: The port that billing-service uses as Stripe.
        upstream_port: Where the sandbox listens.
    """
    meter = StripeMeter()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()
    work = _serve(meter, port=port, upstream_port=upstream_port, ready=ready, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(work,))
    thread.start()
    ready.wait()
    try:
        yield meter
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _serve(
    meter: StripeMeter,
    *,
    port: int,
    upstream_port: int,
    ready: threading.Event,
    stop: asyncio.Event,
) -> None:
    relays: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        # A connection cut in the middle is the client's or the sandbox's affair, not ours.
        with suppress(OSError, asyncio.CancelledError):
            await _relay(meter, reader, writer, upstream_port=upstream_port)
        relays.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    ready.set()
    await stop.wait()
    server.close()
    for relay in list(relays):
        relay.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


async def _relay(
    meter: StripeMeter,
    client: asyncio.StreamReader,
    to_client: asyncio.StreamWriter,
    *,
    upstream_port: int,
) -> None:
    sandbox, to_sandbox = await asyncio.open_connection("127.0.0.1", upstream_port)
    call: StripeCall | None = None

    async def requests() -> None:
        nonlocal call
        while chunk := await client.read(65536):
            # The first bytes after an answer begin the next call on this connection.
            if call is None or call.ended:
                line = chunk.partition(b"\r\n")[0].decode("latin-1")
                call = StripeCall(line, started=time.perf_counter(), ended=0.0)
                meter.calls.append(call)
            to_sandbox.write(chunk)
        to_sandbox.close()

    async def answers() -> None:
        while chunk := await sandbox.read(65536):
            to_client.write(chunk)
            if call is not None:
                call.ended = time.perf_counter()
        to_client.close()

    try:
        await asyncio.gather(requests(), answers())
    finally:
        to_sandbox.close()
        to_client.close()
