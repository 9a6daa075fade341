"""What the last full run of each suite found, kept so that one suite can be run again alone."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.arithmetic import Ratio
from bench.goals import Suite
from bench.setting import ROOT

FILE = ROOT / "bench/results.json"


@dataclass(frozen=True)
class Findings:
    """One suite's run: ratios by goal, and remarks for the page such as query plans."""

    rounds: int
    ratios: dict[str, Ratio]
    remarks: list[str] = field(default_factory=list)


def load(file: Path = FILE) -> dict[Suite, Findings]:
    """Read the kept runs; none before the first."""
    if not file.exists():
        return {}
    kept = json.loads(file.read_text())
    return {
        suite: Findings(
            rounds=found["rounds"],
            ratios={goal: Ratio(**ratio) for goal, ratio in found["ratios"].items()},
            remarks=found["remarks"],
        )
        for suite, found in kept.items()
    }


def save(results: dict[Suite, Findings], file: Path = FILE) -> None:
    """Keep runs; figures are rounded to what they can claim."""
    kept = {suite: asdict(found) for suite, found in results.items()}
    for found in kept.values():
        for ratio in found["ratios"].values():
            ratio |= {name: float(f"{value:.3g}") for name, value in ratio.items()}
    file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
