"""Measures whether the time of an answer distinguishes known names and addresses from unknown ones.

Run with `make attack`. It is a measurement and no test: it needs a quiet machine and some minutes.
Each call is made with known and unknown names in turn, in random order, from an address of its own
each time, so that no limit is reached. The verdict is the Mann-Whitney U test, with the normal
approximation: the probability that two such samples come from the same distribution. Below 0.001,
an attacker who asks as often as this measurement learns something. The difference of the medians
says how much.
"""

import math
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from e2e.system import RunningSystem, whole_system

_SAMPLES = 300
_PROBABILITY = 0.001
# Requests before the first measured one: connections are open and caches are warm.
_WARM_UP = 20


@dataclass(frozen=True)
class Call:
    """A call that takes a name or an address.

    Args:
        path: Below the address of auth-service.
        body: Makes the body for a name.
        expected: The status of each answer.
    """

    path: str
    body: Callable[[str], dict[str, str]]
    expected: int


CALLS = (
    Call("/api/token/obtain", lambda name: {"username": name, "password": "a wrong guess"}, 401),
    Call("/api/account/reset-password", lambda name: {"email": f"{name}@example.org"}, 202),
    Call("/api/account/sign-up", lambda name: {"email": f"{name}@example.org"}, 202),
)


def main(samples: int) -> int:
    """Measure every call; returns 1 if one of them distinguishes names."""
    with (
        tempfile.TemporaryDirectory() as state,
        whole_system(Path(state), SIGNUP="open") as running,
    ):
        known = [f"known-{uuid.uuid4().hex[:10]}" for _ in range(samples)]
        for name in known:
            _create(running, name)
        return max(_report(running, call, known) for call in CALLS)


def _create(running: RunningSystem, name: str) -> None:
    body = {"username": name, "password": uuid.uuid4().hex, "email": f"{name}@example.org"}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    created = running.internal("POST", "/internal/users", json=body, headers=key)
    created.raise_for_status()


def _report(running: RunningSystem, call: Call, known: list[str]) -> int:
    times = measure(running.auth_url, call, known)
    probability = same_distribution(times[True], times[False])
    medians = {group: statistics.median(values) for group, values in times.items()}
    difference = (medians[True] - medians[False]) * 1000
    tells = probability < _PROBABILITY
    sys.stdout.write(
        f"{call.path}: n = 2 x {len(known)}, known {medians[True] * 1000:.2f} ms, "
        f"unknown {medians[False] * 1000:.2f} ms, difference {difference:+.2f} ms, "
        f"p = {probability:.3f}: "
        f"{'DISTINGUISHED' if tells else 'not distinguished'}\n"
    )
    return int(tells)


def measure(url: str, call: Call, known: list[str]) -> dict[bool, list[float]]:
    """Return the seconds of each answer, for known (True) and unknown names.

    Past the gateway, whose own time would only hide a difference.
    """
    names = [(True, name) for name in known] + [(False, _unknown()) for _ in known]
    random.shuffle(names)
    times: dict[bool, list[float]] = {True: [], False: []}
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        for _ in range(_WARM_UP):
            _send(client, call, _unknown())
        for is_known, name in names:
            times[is_known].append(_send(client, call, name))
    return times


def _unknown() -> str:
    return f"known-{uuid.uuid4().hex[:10]}"


def _send(client: httpx.Client, call: Call, name: str) -> float:
    address = ".".join(str(random.randrange(1, 255)) for _ in range(3))  # noqa: S311 - no secret
    headers = {"X-Forwarded-For": f"10.{address}"}
    started = time.perf_counter()
    answer = client.post(call.path, json=call.body(name), headers=headers)
    taken = time.perf_counter() - started
    if answer.status_code != call.expected:
        raise SystemExit(f"{call.path} answered {answer.status_code}: {answer.text}")
    return taken


def same_distribution(first: Iterable[float], second: Iterable[float]) -> float:
    """Return the two-sided probability of the Mann-Whitney U test, normal approximation."""
    labelled = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    sizes = [sum(1 for _, group in labelled if group == which) for which in (0, 1)]
    ranks = sum(rank for rank, (_, group) in enumerate(labelled, start=1) if group == 0)
    u = ranks - sizes[0] * (sizes[0] + 1) / 2
    mean = sizes[0] * sizes[1] / 2
    deviation = math.sqrt(sizes[0] * sizes[1] * (sum(sizes) + 1) / 12)
    return math.erfc(abs(u - mean) / deviation / math.sqrt(2))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else _SAMPLES))
