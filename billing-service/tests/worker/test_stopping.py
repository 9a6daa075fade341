"""SIGTERM ends the worker in time, whatever it is doing, and long work goes on afterwards."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from procrastinate.contrib.django import app

from subscriptions.models import ReconcileRun
from tests.sandbox import Sandbox
from tests.service_environment import service_environment
from tests.subscriptions.person import Person

_FOLDER = Path(__file__).resolve().parents[2]
_STOP_PERIOD_SECONDS = 45
_CUSTOMERS = 6


@pytest.mark.django_db(transaction=True)
def test_a_nightly_job_that_is_interrupted_is_continued_by_the_next_worker(
    stripe: Sandbox, tmp_path: Path
) -> None:
    """An upgrade at three in the morning neither waits for the comparison nor loses it."""
    for _ in range(_CUSTOMERS):
        assert Person(stripe).post("setup-intent").status_code == 200
    app.configure_task("reconcile.nightly").defer(timestamp=0)

    with stripe.fault(effect="latency", milliseconds=1500, method="GET"):
        worker = _start(stripe, log=tmp_path / "first.log")
        _wait_until(lambda: _job_status() == "doing")
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert worker.wait(timeout=_STOP_PERIOD_SECONDS) == 0
        stopped_after = time.monotonic() - began
    run = ReconcileRun.objects.get()
    interrupted_at = run.customers_compared

    assert (run.finished_at, _job_status()) == (None, "todo"), f"after {stopped_after:.1f} s"
    assert interrupted_at < _CUSTOMERS

    following = _start(stripe, log=tmp_path / "second.log")
    try:
        _wait_until(lambda: ReconcileRun.objects.get().finished_at is not None)
    finally:
        following.terminate()
        following.wait(timeout=_STOP_PERIOD_SECONDS)
    assert ReconcileRun.objects.get().customers_compared == _CUSTOMERS


def _start(stripe: Sandbox, *, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "manage.py", "run_worker"],
            cwd=_FOLDER,
            env=service_environment(),
            stdout=output,
            stderr=output,
        )


def _job_status() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status FROM procrastinate_jobs WHERE task_name = 'reconcile.nightly'"
        )
        return str(cursor.fetchone()[0])


def _wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen")
