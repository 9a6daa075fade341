"""`make test`: every suite, a few at a time, with one summary."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.status import Status
from rich.table import Table
from rich.text import Text

from dev.config.settings import ROOT
from dev.processes.interruptions import SIGNALS, end_like_ctrl_c
from dev.screen import console

# One more than a small machine has cores, since tests often wait.
AT_ONCE = 3
# How often the running suites are printed where there is no terminal.
REPORT_SECONDS = 30.0
# Enough to stop a whole system; a suite that needs longer is killed.
END_SECONDS = 120.0

# Tests that start, kill and upgrade whole services. They take as long as all others of billing, so
# they are a suite of their own.
_BILLING_PROCESSES = (
    "tests/test_kill_matrix.py",
    "tests/test_running_service.py",
    "tests/test_webhook_chaos.py",
    "tests/upgrade",
)

_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)\b")
_PERCENT = re.compile(r"\[\s*(\d+)%\]\s*$", re.MULTILINE)
_WORDS = ("passed", "failed", "error", "skipped")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One command that has to succeed.

    Args:
        name: Its name in the summary.
        argv: The command.
        cwd: The folder it runs in.
        path: The first folder in PATH, so that scripts find the part's own tools.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    path: Path


@dataclass
class Outcome:
    """How a suite ended."""

    suite: Suite
    status: int
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Running:
    """A running suite; its output is kept until it has ended."""

    suite: Suite
    process: subprocess.Popen[bytes]
    output: Path
    began: float

    @property
    def text(self) -> str:
        """Its output so far."""
        return self.output.read_text(errors="replace")

    @property
    def progress(self) -> str:
        """Its name, and the percentage that it reports."""
        percents = _PERCENT.findall(self.text)
        return f"{self.suite.name} {percents[-1]} %" if percents else self.suite.name


def suites() -> list[Suite]:
    """The suites in the order of their start: the long ones first, so that none runs alone."""
    services = ("billing-service", "auth-service", "stripe-sandbox")

    def lint(part: str) -> Suite:
        path = ROOT / part / ".venv" / "bin"
        return Suite(name=f"lint {part}", argv=("sh", "lint.sh"), cwd=ROOT / part, path=path)

    def pytest(part: str, *arguments: str, name: str = "") -> Suite:
        path = ROOT / part / ".venv" / "bin"
        argv = (str(path / "pytest"), "-p", "no:cacheprovider", *arguments)
        return Suite(name=f"test {name or part}", argv=argv, cwd=ROOT / part, path=path)

    def from_root(name: str, part: str, *folders: str) -> Suite:
        path = ROOT / part / ".venv" / "bin"
        config = ("-c", f"{part}/pyproject.toml", "--rootdir", ".", "-p", "no:cacheprovider")
        argv = (str(path / "python"), "-m", "pytest", *config, *folders)
        return Suite(name=name, argv=argv, cwd=ROOT, path=path)

    def end_to_end(folder: str) -> Suite:
        # Each folder has a system of its own, whose logs and databases are searched at the end.
        return from_root(f"test e2e {folder}", "dev", f"e2e/{folder}", "e2e/test_traces.py")

    def target(name: str) -> Suite:
        path = ROOT / "dev" / ".venv" / "bin"
        return Suite(name=name.replace("-", " "), argv=("make", name), cwd=ROOT, path=path)

    return [
        pytest("billing-service", *(f"--ignore={path}" for path in _BILLING_PROCESSES)),
        pytest("billing-service", *_BILLING_PROCESSES, name="billing processes"),
        *(end_to_end(folder) for folder in ("journeys", "faults")),
        *(pytest(part) for part in ("auth-service", "stripe-sandbox")),
        *(end_to_end(folder) for folder in ("attacks", "browser")),
        from_root("test dev, gateway", "dev", "dev/tests", "gateway/tests"),
        from_root("test bench", "bench", "bench/tests"),
        *(lint(part) for part in (*services, "dev", "bench")),
        target("lint-words"),
        target("lint-openapi"),
    ]


def main() -> int:
    """Run every suite.

    Returns:
        0 when all succeeded, else 1.
    """
    # A handler here gives the suites the default behaviour: a program that was started in the
    # background ignores Ctrl-C, and its children inherit that.
    end_like_ctrl_c(*SIGNALS)
    outcomes = run(suites())
    console.print(_table(outcomes))
    counts = {word: sum(o.counts.get(word, 0) for o in outcomes) for word in _WORDS}
    broken = [outcome.suite.name for outcome in outcomes if outcome.status]
    # In the form of a test runner's summary, on a line of its own.
    failed = counts["failed"] + counts["error"]
    sys.stdout.write(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped\n")
    if broken:
        console.print(Text(f"✗ Failed: {', '.join(broken)}.", style="bold red"))
        return 1
    if counts["skipped"]:
        console.print(Text("✓ Nothing failed, but not everything was run.", style="bold yellow"))
        return 0
    console.print(Text("✓ Everything passed.", style="bold green"))
    return 0


def run(waiting: Sequence[Suite], *, at_once: int = AT_ONCE) -> list[Outcome]:
    """Run suites side by side; each one's output is printed whole when it has ended.

    Args:
        waiting: The suites, in the order in which they are started.
        at_once: How many run at a time.

    Returns:
        How each ended, in the order of the suites.

    Raises:
        KeyboardInterrupt: The run was interrupted; every suite was, too, and has ended.
    """
    to_come, running, ended = list(waiting), list[Running](), list[Outcome]()
    with tempfile.TemporaryDirectory() as folder, console.status("") as status:
        reported = time.monotonic()
        try:
            while to_come or running:
                while to_come and len(running) < at_once:
                    running.append(_start(to_come.pop(0), folder=Path(folder)))
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    ended.append(_outcome(one))
                    reported = time.monotonic()
                reported = _report(running, status=status, reported=reported)
                time.sleep(0.1)
        finally:
            _interrupt(running)
    return sorted(ended, key=lambda outcome: waiting.index(outcome.suite))


def _start(suite: Suite, *, folder: Path) -> Running:
    output = folder / suite.name
    with output.open("wb") as file:
        process = subprocess.Popen(
            suite.argv,
            cwd=suite.cwd,
            env=dict(os.environ) | {"PATH": f"{suite.path}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # A Ctrl-C at the terminal reaches a suite once, from here.
            start_new_session=True,
        )
    return Running(suite, process, output, time.monotonic())


def _outcome(one: Running) -> Outcome:
    console.rule(f"[bold]{one.suite.name}", align="left", style="dim")
    console.out(one.text, end="", highlight=False)
    counts: dict[str, int] = {}
    for line in one.text.splitlines():
        if " in " in line and (found := _COUNT.findall(line)):
            counts = {word.replace("errors", "error"): int(number) for number, word in found}
    return Outcome(one.suite, one.process.returncode, time.monotonic() - one.began, counts)


def _report(running: list[Running], *, status: Status, reported: float) -> float:
    """Print what is running: always on a terminal, from time to time elsewhere."""
    if not running or not (console.is_terminal or time.monotonic() - reported > REPORT_SECONDS):
        return reported
    text = ", ".join(one.progress for one in running)
    if console.is_terminal:
        status.update(text)
    else:
        console.print(Text(f"… {text}"), soft_wrap=True)
    return time.monotonic()


def _interrupt(running: list[Running]) -> None:
    """Let the running suites stop what they have started, as after a Ctrl-C."""
    if not running:
        return
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for one in running:
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGINT)
    for one in running:
        try:
            one.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(one.process.pid, signal.SIGKILL)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for heading in ("", "suite", "passed", "failed", "seconds"):
        table.add_column(heading, justify="left" if heading in ("", "suite") else "right")
    for outcome in outcomes:
        good = outcome.status == 0
        failed = outcome.counts.get("failed", 0) + outcome.counts.get("error", 0)
        table.add_row(
            Text("✓" if good else "✗", style="green" if good else "bold red"),
            outcome.suite.name,
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
