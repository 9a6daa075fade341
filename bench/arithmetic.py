"""Medians, percentiles and ratios: the only arithmetic a benchmark should need."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """The median of a ratio over the rounds of a run, with the lowest and highest round."""

    median: float
    low: float
    high: float


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed.

    The nearest-rank definition: always a value that was really seen.
    """
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Compare two interleaved series round by round.

    Each round's two figures were taken seconds apart, so a slow spell of the machine falls on
    both; dividing before taking the median lets it cancel out.

    Args:
        ours: Our figure of each round.
        theirs: The other side's figure of the same rounds, in the same order.

    Raises:
        ValueError: The series differ in length or are empty.
    """
    quotients = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    if not quotients:
        raise ValueError("no rounds to compare")
    return Ratio(statistics.median(quotients), min(quotients), max(quotients))
