"""`make test`: every level one after the other, all of them reported at the end."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from rich.text import Text

from dev.screen import console
from dev.settings import ROOT

_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)\b")
_WORDS = ("passed", "failed", "error", "skipped")


@dataclass(frozen=True, kw_only=True)
class Level:
    """One command that has to succeed.

    Args:
        name: What it is called in the summary, and its make target.
        argv: The command.
        cwd: Where it runs.
        path: Put in front of PATH, so that scripts find the tools of the part.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    path: Path


@dataclass
class Outcome:
    """How a level ended."""

    level: Level
    status: int
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)


def levels() -> list[Level]:
    """The levels in the order they are run: what fails fastest comes first."""
    services = ("auth-service", "billing-service", "stripe-sandbox")

    def lint(part: str) -> Level:
        path = ROOT / part / ".venv" / "bin"
        return Level(name=f"lint {part}", argv=("sh", "lint.sh"), cwd=ROOT / part, path=path)

    def pytest(part: str) -> Level:
        path = ROOT / part / ".venv" / "bin"
        argv = (str(path / "pytest"), "-p", "no:cacheprovider")
        return Level(name=f"test {part}", argv=argv, cwd=ROOT / part, path=path)

    def from_root(name: str, part: str, *folders: str) -> Level:
        path = ROOT / part / ".venv" / "bin"
        config = ("-c", f"{part}/pyproject.toml", "--rootdir", ".", "-p", "no:cacheprovider")
        argv = (str(path / "python"), "-m", "pytest", *config, *folders)
        return Level(name=name, argv=argv, cwd=ROOT, path=path)

    return [
        *(lint(part) for part in (*services, "dev", "bench")),
        *(pytest(part) for part in services),
        from_root("test bench", "bench", "bench/tests"),
        from_root("test dev, gateway", "dev", "dev/tests", "gateway/tests"),
        # Browser tests too: they share the one system that is started for the session.
        from_root("test e2e", "dev", "e2e"),
    ]


def main() -> int:
    """Run every level.

    Returns:
        0 when all succeeded, else 1.
    """
    outcomes = [_run(level) for level in levels()]
    console.print(_table(outcomes))
    counts = {word: sum(o.counts.get(word, 0) for o in outcomes) for word in _WORDS}
    broken = [outcome.level.name for outcome in outcomes if outcome.status]
    # The form that summaries of test runners have, alone on its line.
    failed = counts["failed"] + counts["error"]
    sys.stdout.write(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped\n")
    if broken:
        console.print(Text(f"✗ Not all is well: {', '.join(broken)}.", style="bold red"))
        return 1
    console.print(Text("✓ Everything passed.", style="bold green"))
    return 0


def _run(level: Level) -> Outcome:
    console.rule(f"[bold]{level.name}", align="left", style="dim")
    began = time.monotonic()
    env = dict(os.environ) | {"PATH": f"{level.path}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        level.argv,
        cwd=level.cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    counts: dict[str, int] = {}
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if " in " in line and (found := _COUNT.findall(line)):
            counts = {word.replace("errors", "error"): int(number) for number, word in found}
    return Outcome(level, process.wait(), time.monotonic() - began, counts)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for heading in ("", "level", "passed", "failed", "seconds"):
        table.add_column(heading, justify="left" if heading in ("", "level") else "right")
    for outcome in outcomes:
        good = outcome.status == 0
        failed = outcome.counts.get("failed", 0) + outcome.counts.get("error", 0)
        table.add_row(
            Text("✓" if good else "✗", style="green" if good else "bold red"),
            outcome.level.name,
            str(outcome.counts.get("passed", "")),
            str(failed or ""),
            f"{outcome.seconds:.0f}",
        )
    return table


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
