"""Starting and stopping processes by pid, also stubborn ones."""

import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dev.errors import ComponentFailed, PortTaken, ToolMissing
from dev.processes import supervise
from dev.processes.components import Process
from dev.processes.ports import require_free_port
from dev.processes.startup import Startup, State

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; print('child', flush=True); time.sleep(300)"])
print("up", flush=True)
time.sleep(300)
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state directory as the launcher makes it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "logs").mkdir()
    return tmp_path


def a_process(state_dir: Path, code: str, *, name: str = "component", words: str = "up") -> Process:
    """A process that is ready when it has printed the words."""
    log = state_dir / "logs" / f"{name}.log"
    return Process(
        name=name,
        argv=(sys.executable, "-u", "-c", code),
        cwd=state_dir,
        env={},
        ready=lambda: log.exists() and words in log.read_text(),
        stop_seconds=0.3,
    )


def bring_up(state_dir: Path, *components: Process) -> list[tuple[str, State]]:
    """Start components and return the states that were shown."""
    seen: list[tuple[str, State]] = []

    def watch(name: str, state: State, *, seconds: float) -> None:
        assert seconds >= 0
        seen.append((name, state))

    Startup(components, state_dir=state_dir, watcher=watch).run()
    return seen


def stop(state_dir: Path, process: Process) -> psutil.Process | None:
    """Stop a process by its record and return it as it was before."""
    record = supervise.recorded(state_dir / "run", process.name)
    assert record is not None
    before = record.process()
    supervise.stop(process, run_dir=state_dir / "run")
    assert record.process() is None
    return before


def test_a_process_that_will_not_end_is_ended_with_its_children(state_dir: Path) -> None:
    """After `make down` nothing is left, however stubborn."""
    process = a_process(state_dir, STUBBORN, words="child")
    bring_up(state_dir, process)
    record = supervise.recorded(state_dir / "run", "component")
    assert record is not None
    running = record.process()
    assert running is not None
    children = running.children()

    stop(state_dir, process)

    _, alive = psutil.wait_procs(children, timeout=5)
    assert len(children) == 1
    assert alive == []


def test_what_lost_its_parent_is_found_by_its_mark(state_dir: Path) -> None:
    """A process whose record is gone still belongs to its state directory."""
    code = "import time; print('up', flush=True); time.sleep(300)"
    orphan = a_process(state_dir, code)
    bring_up(state_dir, orphan)
    record = supervise.recorded(state_dir / "run", "component")
    assert record is not None
    (state_dir / "run" / "component.json").unlink()

    supervise.stop_leftovers(state_dir)

    assert record.process() is None


def test_a_second_start_changes_nothing(state_dir: Path) -> None:
    """`make up` twice keeps the processes it has."""
    process = a_process(state_dir, "import time; print('up'); time.sleep(300)")
    first = bring_up(state_dir, process)
    record = supervise.recorded(state_dir / "run", "component")

    second = bring_up(state_dir, process)

    assert first[-1] == ("component", State.READY)
    assert second[-1] == ("component", State.RUNNING)
    assert supervise.recorded(state_dir / "run", "component") == record
    stop(state_dir, process)


def test_a_changed_setting_restarts_what_it_concerns(state_dir: Path) -> None:
    """After an edit of `.env`, `make up` is enough."""
    before = a_process(state_dir, "import time; print('up'); time.sleep(300)")
    after = a_process(state_dir, "import time; print('up and changed'); time.sleep(300)")
    bring_up(state_dir, before)
    record = supervise.recorded(state_dir / "run", "component")

    bring_up(state_dir, after)

    assert supervise.recorded(state_dir / "run", "component") != record
    assert record is not None
    assert record.process() is None
    stop(state_dir, after)


def test_another_terminal_restarts_nothing(state_dir: Path) -> None:
    """Another PATH or language, over ssh say, is no changed setting."""
    here = a_process(state_dir, "import time; print('up'); time.sleep(300)")
    there = replace(here, env={"PATH": "/elsewhere", "LC_ALL": "de_DE.UTF-8"})
    changed = replace(here, env={"LOG_LEVEL": "DEBUG"})

    assert supervise.fingerprint(there) == supervise.fingerprint(here)
    assert supervise.fingerprint(changed) != supervise.fingerprint(here)


def test_a_record_that_was_cut_off_counts_as_none(state_dir: Path) -> None:
    """`make down` goes on; what the record was about is found by its mark."""
    (state_dir / "run" / "component.json").write_text('{"name": "component", "pi')

    assert supervise.recorded(state_dir / "run", "component") is None


def test_a_process_that_ends_early_is_a_failure_with_its_log(state_dir: Path) -> None:
    """The reason why it ended is in the log that the refusal names."""
    process = a_process(state_dir, "raise SystemExit('no such table')")

    with pytest.raises(ComponentFailed, match="component ended with status 1") as refusal:
        bring_up(state_dir, process)

    assert refusal.value.log is not None
    assert "no such table" in refusal.value.log.read_text()


def test_a_program_that_is_not_there_asks_for_the_set_up(state_dir: Path) -> None:
    """A launcher without set-up says what to run."""
    process = a_process(state_dir, "")
    missing = replace(process, argv=("/nowhere/at/all",))

    with pytest.raises(ToolMissing, match="run `make setup`"):
        bring_up(state_dir, missing)


def test_components_wait_for_what_they_need(state_dir: Path) -> None:
    """Migrations do not run before there is a database."""
    code = "import time; print('up'); time.sleep(300)"
    first = a_process(state_dir, code, name="first")
    second = replace(a_process(state_dir, code, name="second"), after=("first",))

    seen = bring_up(state_dir, second, first)

    assert seen.index(("first", State.READY)) < seen.index(("second", State.STARTING))
    stop(state_dir, first)
    stop(state_dir, second)


def test_a_reused_pid_is_not_taken_for_ours(state_dir: Path) -> None:
    """After a reboot a record may name the pid of a process that is not ours."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    stale = {"name": "component", "pid": other.pid, "created_at": 1.0, "fingerprint": ""}
    (state_dir / "run" / "component.json").write_text(json.dumps(stale))

    supervise.stop(a_process(state_dir, ""), run_dir=state_dir / "run")

    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_changed_file_or_port_restarts_what_it_concerns(state_dir: Path) -> None:
    """After a `git pull`, or with another port in `.env`, `make up` starts today's program."""
    source = state_dir / "package"
    source.mkdir()
    (source / "module.py").write_text("before")
    process = replace(a_process(state_dir, ""), made_from=(source,), ports={"PORT": 8000})
    before = supervise.fingerprint(process)

    (source / "module.pyc").write_text("compiled")
    assert supervise.fingerprint(process) == before
    assert supervise.fingerprint(replace(process, ports={"PORT": 8001})) != before
    (source / "module.py").write_text("after")
    assert supervise.fingerprint(process) != before


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_taken_port_names_the_setting_and_the_program(
    family: socket.AddressFamily, address: str
) -> None:
    """One sentence says who has the port and how to use another; browsers try [::1] first."""
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]

        with pytest.raises(PortTaken) as refusal:
            require_free_port("GATEWAY_PORT", port)

    assert f"Port {port} is taken by" in str(refusal.value)
    assert "set GATEWAY_PORT to another port" in str(refusal.value)
