"""`make slow-stripe`: how long `status` takes while Stripe is slow and many users subscribe."""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from dev.processes.interruptions import SIGNALS, end_like_ctrl_c
from dev.screen import console
from e2e.people import Person
from e2e.system import RunningSystem, whole_system

SUBSCRIBERS = 100
LATENCY_MILLISECONDS = 1000
# How many times longer the 95th percentile may be than on an idle system.
LIMIT = 3.0
_IDLE_REQUESTS = 300


@dataclass(frozen=True, kw_only=True)
class Findings:
    """How long `status` took each time, in seconds, and how the subscribes ended."""

    idle: list[float]
    loaded: list[float]
    subscribes: Counter[int]

    @property
    def ratio(self) -> float:
        """The 95th percentile while many subscribe, divided by that of the idle system."""
        return p95(self.loaded) / p95(self.idle)


def p95(seconds: list[float]) -> float:
    """The 95th percentile."""
    return quantiles(seconds, n=20)[-1]


def measure(running: RunningSystem, *, latency_milliseconds: int) -> Findings:
    """Let many users subscribe at once while Stripe is slow, and one user ask for their status.

    Args:
        running: The system.
        latency_milliseconds: How much Stripe is slowed down.
    """
    reader = running.new_person()
    assert reader.subscribe().status_code == 200
    people = [running.new_person() for _ in range(SUBSCRIBERS)]
    idle = [_seconds_of_status(reader) for _ in range(_IDLE_REQUESTS)]
    with _slow_stripe(running, latency_milliseconds), ThreadPoolExecutor(SUBSCRIBERS) as pool:
        subscribing = [pool.submit(person.subscribe) for person in people]
        loaded = []
        while not all(one.done() for one in subscribing):
            loaded.append(_seconds_of_status(reader))
    ended = Counter(one.result().status_code for one in subscribing)
    return Findings(idle=idle, loaded=loaded, subscribes=ended)


def main() -> int:
    """Measure on a system of its own and print what was found.

    Returns:
        0 when all subscribes ended well and the ratio keeps its limit, else 1.
    """
    end_like_ctrl_c(*SIGNALS)
    with tempfile.TemporaryDirectory() as folder, whole_system(Path(folder)) as running:
        found = measure(running, latency_milliseconds=LATENCY_MILLISECONDS)
    console.print(f"status, p95, idle    {p95(found.idle) * 1000:7.1f} ms")
    console.print(f"status, p95, loaded  {p95(found.loaded) * 1000:7.1f} ms")
    console.print(f"ratio                {found.ratio:7.2f}     (limit {LIMIT:.0f})")
    console.print(f"subscribes ended     {dict(found.subscribes)} of {SUBSCRIBERS}")
    return int(found.ratio > LIMIT or found.subscribes != {200: SUBSCRIBERS})


@contextmanager
def _slow_stripe(running: RunningSystem, milliseconds: int) -> Iterator[None]:
    faults = f"{running.sandbox_url}/sandbox/faults"
    latency = {"effect": "latency", "milliseconds": milliseconds}
    assert running.client.post(faults, json=latency).status_code == 201
    try:
        yield
    finally:
        running.client.delete(faults)


def _seconds_of_status(person: Person) -> float:
    began = time.perf_counter()
    person.status()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
