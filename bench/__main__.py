"""`python -m bench`: run suites side by side with their peers and write what they found."""

import signal
import sys
import time
from importlib.metadata import version
from typing import Literal

import click

from bench import billing, growth, report, results, sandbox, tokens
from bench.chart import chart
from bench.goals import Suite
from bench.processes import BenchError
from bench.results import Findings
from bench.rounds import Pace
from dev.errors import LauncherError

SUITES = {
    "tokens": tokens.measure,
    "billing": billing.measure,
    "growth": growth.measure,
    "sandbox": sandbox.measure,
}
PEERS = ("djangorestframework-simplejwt", "dj-stripe", "django", "gunicorn")


@click.command()
@click.argument("suite", type=click.Choice([*SUITES, "all"]))
@click.option("--rounds", type=click.IntRange(1), help="Interleaved rounds, at least five.")
@click.option("--quick", is_flag=True, help="A minute, to see where to look; writes nothing.")
def main(suite: Suite | Literal["all"], *, rounds: int | None, quick: bool) -> None:
    """Run one suite, or all, and write the page.

    Exits with 1 when a suite gives no figures.
    """
    names: list[Suite] = list(report.TITLES) if suite == "all" else [suite]
    found: dict[Suite, Findings] = {}
    # Both signals end the run through every `finally`, so that no server outlives it.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        for name in names:
            _progress(f"suite {name}")
            found[name] = SUITES[name](pace=_pace(rounds, quick=quick), report=_progress)
    except (BenchError, LauncherError) as refusal:
        click.echo(f"bench: {refusal}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("bench: stopped", err=True)
        sys.exit(130)
    for name, findings in found.items():
        click.echo(report.terminal_table(name, findings.ratios))
        for remark in findings.remarks:
            click.echo(f"\n{remark}\n")
    if not quick:
        _write(found)


def _pace(rounds: int | None, *, quick: bool) -> Pace:
    if quick:
        return Pace(rounds=rounds or 2, seconds=1.5, warm_up_seconds=0.5, quick=True)
    return Pace(rounds=max(5, rounds or 5), seconds=4, warm_up_seconds=2, quick=False)


def _progress(message: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {message}", err=True)


def _write(found: dict[Suite, Findings]) -> None:
    kept = results.load() | found
    results.save(kept)
    # Read back, so that the page never shows a digit the kept file does not have.
    kept = results.load()
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    command = "make bench"
    report.PAGE.write_text(report.page(kept, command=command, peers=peers))
    report.PAGE.with_suffix(".svg").write_text(chart(kept))
    click.echo(f"written: {report.PAGE}")


if __name__ == "__main__":
    main()
