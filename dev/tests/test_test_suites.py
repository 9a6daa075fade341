"""`make test` itself: suites run side by side, are reported whole, and end together."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dev.config.settings import ROOT
from dev.test_suites import Suite, run
from e2e.waiting import until


def a_suite(name: str, code: str, *, cwd: Path) -> Suite:
    """A suite that runs some Python."""
    argv = (sys.executable, "-u", "-c", code)
    return Suite(name=name, argv=argv, cwd=cwd, path=Path("/nowhere"))


def test_suites_run_side_by_side_and_are_reported_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two that wait for each other both end, and their lines are not mixed."""
    meets = """
import pathlib, time
pathlib.Path({mine!r}).touch()
print({mine!r}, "begins")
while not pathlib.Path({other!r}).exists(): time.sleep(0.01)
print("3 passed, 1 skipped in 0.1s")
"""
    suites = [
        a_suite(mine, meets.format(mine=mine, other=other), cwd=tmp_path)
        for mine, other in (("first", "second"), ("second", "first"))
    ]

    outcomes = run(suites, at_once=2)

    output = capsys.readouterr().out
    assert [outcome.suite.name for outcome in outcomes] == ["first", "second"]
    assert [outcome.counts for outcome in outcomes] == [{"passed": 3, "skipped": 1}] * 2
    for name in ("first", "second"):
        assert f"{name} begins\n3 passed, 1 skipped in 0.1s\n" in output


def test_a_suite_that_fails_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    """One red suite hides nothing of what comes after it."""
    suites = [
        a_suite(name, f"raise SystemExit({status})", cwd=tmp_path)
        for name, status in (("red", 3), ("green", 0))
    ]

    assert [outcome.status for outcome in run(suites, at_once=1)] == [3, 0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_test_run_that_is_ended_lets_every_suite_clean_up(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A closed terminal, a `kill` and a Ctrl-C leave no system of the tests behind."""
    cleans_up = f"""
import pathlib, time
try:
    pathlib.Path({str(tmp_path)!r}, "started").touch()
    time.sleep(300)
finally:
    pathlib.Path({str(tmp_path)!r}, "cleaned up").touch()
"""
    code = f"""
import sys
from pathlib import Path
from dev import test_suites
suite = test_suites.Suite(
    name="long", argv=(sys.executable, "-c", {cleans_up!r}), cwd=Path("/"), path=Path("/nowhere")
)
test_suites.suites = lambda: [suite]
test_suites.main()
"""
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # As in a shell that started it in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert until((tmp_path / "started").exists, seconds=60)
    suite = psutil.Process(started.pid).children()[0]

    os.kill(started.pid, number)
    started.wait(60)

    assert (tmp_path / "cleaned up").exists()
    assert not suite.is_running()


@pytest.mark.parametrize(
    "conftest", ["e2e.conftest", "dev.tests.conftest", "gateway.tests.conftest"]
)
def test_a_pytest_that_is_asked_to_end_tears_down(tmp_path: Path, conftest: str) -> None:
    """A `kill` of one test run stops the system that it has started."""
    test = """
import pathlib, time, pytest
folder = pathlib.Path(__file__).parent
@pytest.fixture
def system():
    (folder / "started").touch()
    yield
    (folder / "stopped").touch()
def test_something_long(system):
    time.sleep(300)
"""
    (tmp_path / "test_long.py").write_text(test)
    started = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", conftest, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert until((tmp_path / "started").exists, seconds=60)

    started.send_signal(signal.SIGTERM)
    started.wait(60)

    assert (tmp_path / "stopped").exists()
