"""Tables for the terminal and the page in docs/, from the same rows."""

import tomllib
from collections.abc import Mapping

from bench.arithmetic import Ratio
from bench.goals import GOALS, Goal, Suite
from bench.results import Findings
from bench.setting import ROOT

PAGE = ROOT / "docs/benchmarks.md"
NOTES = ROOT / "bench/notes.toml"
TITLES: dict[Suite, str] = {
    "tokens": "Tokens",
    "billing": "Billing",
    "growth": "Growth",
    "sandbox": "Sandbox",
}

INTRODUCTION = """\
# Benchmarks

<!-- Written by `python -m bench`; reasons come from bench/notes.toml. Do not edit by hand. -->

Our services beside the packages a team would use instead, in one run on one machine. Made with

```sh
{command}
```

Only ratios are given, because seconds are the machine's and ratios are the software's. Each round
gives every side one turn, so a slow spell falls on all of them; a ratio is taken within its round,
and the table shows the median of the rounds with the lowest and the highest. CPU per request adds
up the server's and the database's processes and is the steadiest of the figures; it should be
read first.

The peers are the released packages as their guides tune them: {peers}, in Django with gunicorn,
two gthread workers of four threads, persistent connections, JSON renderers only. Both sides have
two workers, the same PostgreSQL server with durable commits, 2048-bit RSA keys and the same
argon2id parameters. dj-stripe's *enqueue only* mode is its documented callback, storing one job
row; its *default* mode does the work within the request.

![How far each measured ratio is from the one required](benchmarks.svg)

The line at 1 is the ratio required, to the right of it is better; hollow marks miss it.
"""


def reasons() -> dict[str, str]:
    """Read the hand-written reasons for ratios that are not reached, by goal."""
    return dict(tomllib.loads(NOTES.read_text())["reasons"])


def figure(value: float) -> str:
    """Write a ratio with as many digits as it can claim."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def rows(suite: Suite, ratios: Mapping[str, Ratio]) -> list[tuple[Goal, Ratio]]:
    """Return the suite's goals that a run has figures for, in their order."""
    return [(goal, ratios[goal.id]) for goal in GOALS if goal.suite == suite and goal.id in ratios]


def terminal_table(suite: Suite, ratios: Mapping[str, Ratio]) -> str:
    """Lay out one suite for a terminal."""
    lines = [TITLES[suite]]
    for goal, found in rows(suite, ratios):
        mark = "ok  " if goal.is_reached(found) else "MISS"
        lines.append(
            f"  {mark} {goal.what + ' ÷ ' + goal.against:<75}"
            f" {goal.sense} {goal.bound:<5g} {figure(found.median):>6}"
            f"  ({figure(found.low)} to {figure(found.high)})"
        )
    return "\n".join(lines)


def page(results: Mapping[Suite, Findings], *, command: str, peers: str) -> str:
    """Write the whole page from the kept runs."""
    sections = [INTRODUCTION.format(command=command, peers=peers)]
    sections += [_section(suite, results[suite], reasons()) for suite in TITLES if suite in results]
    return "\n".join(sections)


def _section(suite: Suite, found: Findings, why: Mapping[str, str]) -> str:
    lines = [
        f"## {TITLES[suite]}",
        "",
        f"{found.rounds} rounds.",
        "",
        "| what | against | required | measured | lowest to highest | |",
        "|---|---|---|---|---|---|",
    ]
    misses = []
    for goal, ratio in rows(suite, found.ratios):
        reached = goal.is_reached(ratio)
        lines.append(
            f"| {goal.what} | {goal.against} | {goal.sense} {goal.bound:g} "
            f"| **{figure(ratio.median)}** | {figure(ratio.low)} to {figure(ratio.high)} "
            f"| {'reached' if reached else 'not reached'} |"
        )
        if not reached:
            reason = why.get(goal.id, "not explained yet.")
            misses.append(f"- *{goal.what} ÷ {goal.against}*: {reason}")
    if misses:
        lines += ["", "Not reached, and why:", "", *misses]
    for remark in found.remarks:
        lines += ["", remark]
    return "\n".join([*lines, ""])
