"""Interleaved rounds: every contender in turn, again and again, in one run."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.arithmetic import Ratio, percentile, ratio
from bench.load import Clients, Traffic, drive
from bench.processes import cpu_seconds


@dataclass(frozen=True)
class Pace:
    """How long a run takes: the figures of a quick one only point where to look."""

    rounds: int
    seconds: float
    warm_up_seconds: float
    quick: bool


@dataclass(frozen=True)
class Sample:
    """One side's figures in one round."""

    requests_per_second: float
    cpu_seconds_per_request: float
    mean_seconds: float
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float


Turn = Callable[[float], Sample]
"""Works for about as many seconds as it is given and reports what that cost."""

Figure = Callable[[Sample], float]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Contender:
    """A running server and everything that works for it.

    `processes` are the roots of the process trees whose CPU time its requests cost: the server
    and the database.
    """

    port: int
    processes: tuple[int, ...]

    def turn(self, plan: Callable[[], Sequence[Clients]]) -> Turn:
        """Make a turn that loads this server.

        Args:
            plan: Makes the connections of one turn. Times and rates are those of the first
                group; CPU time is divided by the requests of all.
        """

        def turn(seconds: float) -> Sample:
            groups = plan()
            before = cpu_seconds(self.processes)
            traffic = drive(self.port, groups, seconds=seconds)
            return _sample(traffic, cpu=cpu_seconds(self.processes) - before)

        return turn


def _sample(traffic: Sequence[Traffic], *, cpu: float) -> Sample:
    measured = traffic[0]
    requests = sum(len(seen.latencies) for seen in traffic)
    return Sample(
        requests_per_second=measured.requests_per_second,
        cpu_seconds_per_request=cpu / requests,
        mean_seconds=fmean(measured.latencies),
        p50_seconds=percentile(measured.latencies, 50),
        p95_seconds=percentile(measured.latencies, 95),
        p99_seconds=percentile(measured.latencies, 99),
    )


def interleave(
    what: str, sides: Mapping[str, Turn], *, pace: Pace, report: Report
) -> dict[str, list[Sample]]:
    """Give each side its turn in every round and return the samples by side.

    Args:
        what: What is measured, for the progress line.
        sides: Turns by the name of their side.
        pace: Rounds and their length.
        report: Receives a sentence per round.
    """
    for turn in sides.values():
        turn(pace.warm_up_seconds)
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    started = time.monotonic()
    for number in range(1, pace.rounds + 1):
        for name, turn in sides.items():
            samples[name].append(turn(pace.seconds))
        elapsed = time.monotonic() - started
        figures = "; ".join(f"{name} {_brief(taken[-1])}" for name, taken in samples.items())
        report(f"{what}, round {number} of {pace.rounds}, {elapsed:.0f} s: {figures}")
    return samples


def _brief(sample: Sample) -> str:
    return (
        f"{sample.requests_per_second:.0f}/s, CPU {sample.cpu_seconds_per_request * 1e3:.2f} ms, "
        f"p99 {sample.p99_seconds * 1e3:.0f} ms"
    )


def compare(ours: Sequence[Sample], theirs: Sequence[Sample], figure: Figure) -> Ratio:
    """Divide a figure of ours by that of the same round of theirs."""
    return ratio([figure(sample) for sample in ours], [figure(sample) for sample in theirs])


def rate(sample: Sample) -> float:
    """Requests a second."""
    return sample.requests_per_second


def cpu(sample: Sample) -> float:
    """CPU time of server and database for one request."""
    return sample.cpu_seconds_per_request


def p95(sample: Sample) -> float:
    """The answer time that 95 of 100 requests do not exceed."""
    return sample.p95_seconds


def p99(sample: Sample) -> float:
    """The answer time that 99 of 100 requests do not exceed."""
    return sample.p99_seconds
