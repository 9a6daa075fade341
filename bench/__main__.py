"""`python -m bench`: run suites side by side with their peers and write what they found."""

import argparse
import signal
import sys
import time
from importlib.metadata import version

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


def main() -> int:
    """Run what the command line asks for; exit code 2 when one gives no figures."""
    options = _options()
    names: list[Suite] = list(report.TITLES) if options.suite == "all" else [options.suite]
    pace = _pace(options)
    found: dict[Suite, Findings] = {}
    # Both end the run by way of every `finally`, so that no server outlives it.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        for name in names:
            _progress(f"suite {name}")
            found[name] = SUITES[name](pace=pace, report=_progress)
    except (BenchError, LauncherError) as refusal:
        print(f"bench: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    for name, findings in found.items():
        print(report.terminal_table(name, findings.ratios))
        for remark in findings.remarks:
            print(f"\n{remark}\n")
    if not options.quick:
        _write(found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("suite", choices=[*SUITES, "all"])
    parser.add_argument(
        "--rounds", type=int, default=None, help="interleaved rounds, at least five"
    )
    parser.add_argument(
        "--quick", action="store_true", help="short and small, to see where to look; writes nothing"
    )
    return parser.parse_args()


def _pace(options: argparse.Namespace) -> Pace:
    if options.quick:
        return Pace(rounds=options.rounds or 2, seconds=1.5, warm_up_seconds=0.5, quick=True)
    return Pace(rounds=max(5, options.rounds or 5), seconds=4, warm_up_seconds=2, quick=False)


def _progress(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def _write(found: dict[Suite, Findings]) -> None:
    kept = results.load() | found
    results.save(kept)
    # Read back, so that the page never shows a digit the kept file does not have.
    kept = results.load()
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    command = "make bench"
    report.PAGE.write_text(report.page(kept, command=command, peers=peers))
    report.PAGE.with_suffix(".svg").write_text(chart(kept))
    print(f"written: {report.PAGE}")


if __name__ == "__main__":
    sys.exit(main())
