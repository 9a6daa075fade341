"""`make walk`: the files of ours that one request of each kind runs through, in order."""

import ast
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from dev.config.settings import ROOT
from dev.demo.journey import CARD_PAYS
from dev.processes.components import Component, Process
from dev.processes.interruptions import SIGNALS, end_like_ctrl_c
from dev.system import System
from e2e.people import Person
from e2e.system import RunningSystem, whole_system
from e2e.waiting import until

# As many files as a request may run through.
LIMITS = {"subscribe": 20, "refresh": 9, "status": 9}

PAGE = ROOT / "docs" / "architecture.md"
_BEGIN, _END = "<!-- walk: begin (printed by `make walk`) -->\n", "<!-- walk: end -->\n"
_TRACER = ROOT / "e2e" / "tracer"


@dataclass(frozen=True)
class Traced:
    """A process that is traced, and its code."""

    process: str
    server: str
    sources: str


AUTH = Traced("auth-service", "uvicorn", "auth-service/src")
BILLING = Traced("billing-service", "gunicorn", "billing-service")
WORKER = Traced("billing-worker", "worker", "billing-service")


@dataclass(frozen=True)
class Step:
    """A request or job of the walk: where it is served, and under which title."""

    name: str
    traced: Traced
    title: str


STEPS = (
    Step("subscribe", BILLING, "POST /api/subscriptions/subscribe"),
    Step("refresh", AUTH, "POST /api/token/refresh"),
    Step("status", BILLING, "GET /api/subscriptions/status"),
    Step("webhook received", BILLING, "POST /api/stripe-webhook/"),
    Step("webhook processed", WORKER, "thread process_and_free"),
)


@dataclass(frozen=True)
class File:
    """A file of ours that ran."""

    path: Path
    functions: int

    @property
    def sentence(self) -> str:
        """The first line of what the file says about itself."""
        docstring = ast.get_docstring(ast.parse(self.path.read_text())) or ""
        return docstring.partition("\n")[0]


Walk = Mapping[str, Sequence[File]]


def trace(folder: Path) -> Walk:
    """Run a system, make each request twice, and return the files of the second one.

    The first one fills caches, such as that of the verification keys.

    Args:
        folder: Where the system keeps its state and the traces.
    """
    with whole_system(
        folder / "system",
        prepare=lambda system: _with_tracer(system, folder=folder),
        AUTH_WORKERS="1",
        BILLING_WORKERS="1",
    ) as running:
        for person in (running.new_person(), running.new_person()):
            _make_requests(running, person, folder=folder)
        return {step.name: _files(step, folder=folder) for step in STEPS}


def _with_tracer(system: System, *, folder: Path) -> System:
    by_process = {traced.process: traced for traced in (AUTH, BILLING, WORKER)}

    def adapted(component: Component) -> Component:
        traced = by_process.get(component.name)
        if traced is None or not isinstance(component, Process):
            return component
        own = {
            "PYTHONPATH": str(_TRACER),
            "WALK_SERVER": traced.server,
            "WALK_SOURCES": str(ROOT / traced.sources),
            "WALK_FILE": str(_file(traced, folder=folder)),
        }
        return replace(component, env={**component.env, **own})

    return replace(system, components=tuple(map(adapted, system.components)))


def _file(traced: Traced, *, folder: Path) -> Path:
    return folder / f"{traced.process}.jsonl"


def _make_requests(running: RunningSystem, person: Person, *, folder: Path) -> None:
    # A user whom the feed has not brought yet takes a way of its own.
    known = f"SELECT count(*) FROM users_user WHERE id = '{person.id}'"  # noqa: S608 - an id of our own
    assert until(lambda: running.sql("billing", known) == "1")
    assert person.subscribe(CARD_PAYS).status_code == 200
    subscription = person.status()["id_reference"]
    body = {"refresh": person.refresh}
    assert running.client.post(f"{running.url}/api/token/refresh", json=body).status_code == 200
    # What subscribing has caused has to be over before the event that is traced.
    assert until(lambda: _is_quiet(running))
    processed = len(_traces(STEPS[-1], folder=folder))
    answer = running.client.post(
        f"{running.sandbox_url}/v1/subscriptions/{subscription}",
        data={"metadata[walk]": person.id},
        auth=(running.settings.values["STRIPE_API_SECRET"], ""),
    )
    assert answer.status_code == 200, answer.text
    assert until(lambda: len(_traces(STEPS[-1], folder=folder)) > processed)


def _is_quiet(running: RunningSystem) -> bool:
    """Whether every event has been delivered and processed, and processing has caused no more."""
    pending = "SELECT count(*) FROM webhooks_webhookevent WHERE state = 'pending'"
    if running.sql("billing", pending) != "0":
        return False
    events = running.client.get(
        f"{running.sandbox_url}/v1/events",
        params={"limit": "100"},
        auth=(running.settings.values["STRIPE_API_SECRET"], ""),
    ).json()["data"]
    delivered = not any(event["pending_webhooks"] for event in events)
    return delivered and running.sql("billing", pending) == "0"


def _traces(step: Step, *, folder: Path) -> list[list[tuple[str, int]]]:
    file = _file(step.traced, folder=folder)
    if not file.exists():
        return []
    records = [json.loads(line) for line in file.read_text().splitlines()]
    return [record["files"] for record in records if record["title"] == step.title]


def _files(step: Step, *, folder: Path) -> list[File]:
    last = _traces(step, folder=folder)[-1]
    return [File(ROOT / step.traced.sources / name, functions) for name, functions in last]


def too_long(walk: Walk) -> list[str]:
    """One sentence for each request that runs through more files than it may."""
    return [
        f"{name} runs through {len(walk[name])} files; the limit is {limit}."
        for name, limit in LIMITS.items()
        if len(walk[name]) > limit
    ]


def section(walk: Walk) -> str:
    """The walk as the architecture page shows it."""
    parts = []
    for name, files in walk.items():
        rows = "".join(
            f"{number}. `{file.path.relative_to(ROOT)}`: {file.sentence}\n"
            for number, file in enumerate(files, start=1)
        )
        limit = f" (at most {LIMITS[name]})" if name in LIMITS else ""
        parts.append(f"**{name.capitalize()}**, {len(files)} files{limit}:\n\n{rows}")
    return "\n".join(parts)


def written_section() -> str:
    """What stands between the marks on the architecture page."""
    return PAGE.read_text().partition(_BEGIN)[2].partition(_END)[0]


def _write(walk: Walk) -> None:
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    PAGE.write_text(f"{before}{_BEGIN}{section(walk)}{_END}{after}")


def _print(walk: Walk) -> None:
    for name, files in walk.items():
        limit = f" (at most {LIMITS[name]})" if name in LIMITS else ""
        click.echo(f"\n{name}: {len(files)} files{limit}")
        for number, file in enumerate(files, start=1):
            path = str(file.path.relative_to(ROOT))
            click.echo(f"  {number:>2} {path:<62} {file.functions:>3} functions")


@click.command()
@click.option("--write", is_flag=True, help="Write the walk into docs/architecture.md.")
def main(*, write: bool) -> None:
    """Trace one subscribe, refresh, status and webhook on a system of their own.

    Exits with 1 when a request runs through more files than it may.
    """
    end_like_ctrl_c(*SIGNALS)
    with tempfile.TemporaryDirectory() as folder:
        walk = trace(Path(folder))
    _print(walk)
    if write:
        _write(walk)
    if sentences := too_long(walk):
        click.echo("\n" + "\n".join(sentences), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
