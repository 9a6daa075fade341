"""billing-service against dj-stripe and against DRF with simplejwt."""

import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.arithmetic import Ratio, ratio
from bench.calls import client
from bench.load import Clients, drive, once, repeat, request_bytes
from bench.ours import (
    BILLING,
    Environments,
    auth_service,
    billing_service,
    billing_worker,
    environments,
    sandbox,
)
from bench.peer import WEBHOOK_PATH, peer
from bench.postgres import Postgres, postgres
from bench.processes import BenchError, cpu_seconds, run
from bench.results import Findings
from bench.rounds import Contender, Pace, Report, Sample, Turn, compare, cpu, interleave, p99, rate
from bench.setting import PASSWORD, ROOT
from bench.stripe_events import EventTemplate, deliveries, of_new_customers, round_robin
from bench.stripe_meter import StripeMeter, stripe_meter
from bench.subscribers import Subscriber, cost_ratios, subscribe_users

CLIENTS = 8
OUR_WEBHOOKS = "/api/stripe-webhook/"
EVENTS_EACH = 10
PROCESSED_CUSTOMERS = 40
IMPORTED_USERS = 200_000

_WAITING = """
SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'dead')
FROM webhooks_webhookevent
"""


@dataclass(frozen=True)
class System:
    """Everything of ours that runs."""

    database: Postgres
    folder: Path
    environment: Environments
    meter: StripeMeter
    billing: Contender


@contextmanager
def running_system(folder: Path, *, users: int) -> Iterator[System]:
    """Run PostgreSQL, the sandbox and both services, the worker left out.

    Args:
        folder: Where keys, logs and data go.
        users: How many users auth-service is given.
    """
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        environment = environments(database, folder)
        stack.enter_context(sandbox(folder, environment))
        ports = {"port": environment.stripe_port, "upstream_port": environment.sandbox_port}
        meter = stack.enter_context(stripe_meter(**ports))
        stack.enter_context(auth_service(database, folder, environment, users=users))
        billing = stack.enter_context(billing_service(database, folder, environment))
        yield System(database, folder, environment, meter, billing)


def measure(*, pace: Pace, report: Report) -> Findings:
    """Run the billing suite.

    Args:
        pace: Rounds and their length; a quick one has a tenth of the customers.
        report: Receives sentences on the progress.
    """
    users = 60 if pace.quick else 500
    report("starting sandbox, auth-service and billing-service")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as temporary,
        running_system(Path(temporary), users=users) as system,
    ):
        subscribers, costs = subscribe_users(
            system.environment, system.meter, count=users, report=report
        )
        ratios = cost_ratios(costs, rounds=pace.rounds)
        templates = event_templates(system.environment, subscribers)
        ratios |= _against_peers(system, subscribers, templates, pace=pace, report=report)
        ratios |= _burst(system, templates, report=report)
        ratios |= _feed_look(system, pace=pace, report=report)
    return Findings(rounds=pace.rounds, ratios=ratios)


def event_templates(
    environment: Environments, subscribers: Sequence[Subscriber]
) -> list[EventTemplate]:
    """Fetch each subscriber's subscription as Stripe would put it into an event."""
    headers = {"Authorization": "Bearer sk_test_sandbox"}
    with client(environment.sandbox_port) as stripe:
        found = [
            stripe.get(f"/v1/subscriptions/{each.subscription_id}", headers=headers).json()
            for each in subscribers
        ]
    return [EventTemplate(subscription) for subscription in found]


def _against_peers(
    system: System,
    subscribers: Sequence[Subscriber],
    templates: Sequence[EventTemplate],
    *,
    pace: Pace,
    report: Report,
) -> dict[str, Ratio]:
    report("starting dj-stripe in both modes")
    stripe = f"http://127.0.0.1:{system.environment.sandbox_port}"
    with (
        peer(system.database, system.folder, webhooks="enqueue") as enqueueing,
        peer(system.database, system.folder, webhooks="default", stripe_api_base=stripe) as working,
    ):
        found = _status(system.billing, subscribers, enqueueing, pace=pace, report=report)
        found |= _ingest(system.billing, templates, enqueueing, working, pace=pace, report=report)
        found |= _processed(system, templates, working, pace=pace, report=report)
    return found


def reading(path: str, tokens: Sequence[str]) -> Sequence[Clients]:
    """Plan clients that ask for their own subscription over and over."""
    requests = [
        request_bytes("GET", path, headers={"Authorization": f"JWT {token}"}) for token in tokens
    ]
    return [Clients("status", [repeat([request]) for request in requests])]


def _status(
    ours: Contender,
    subscribers: Sequence[Subscriber],
    theirs: Contender,
    *,
    pace: Pace,
    report: Report,
) -> dict[str, Ratio]:
    our_tokens = [each.access_token for each in subscribers[:CLIENTS]]

    def their_tokens() -> list[str]:
        # The peer's tokens live for five minutes, so each turn gets new ones.
        users = ({"username": f"user{n}", "password": PASSWORD} for n in range(CLIENTS))
        with client(theirs.port) as peer_client:
            answers = [peer_client.post("/token/obtain", json=user) for user in users]
        return [answer.json()["access"] for answer in answers]

    samples = interleave(
        f"status, {CLIENTS} clients",
        {
            "ours": ours.turn(lambda: reading("/api/subscriptions/status", our_tokens)),
            "look-up": theirs.turn(lambda: reading("/status", their_tokens())),
            "stateless": theirs.turn(lambda: reading("/status/stateless", their_tokens())),
        },
        pace=pace,
        report=report,
    )
    return {
        "status-lookup": compare(samples["ours"], samples["look-up"], rate),
        "status-stateless": compare(samples["ours"], samples["stateless"], rate),
    }


def delivering(path: str, bodies: Iterator[bytes]) -> Sequence[Clients]:
    """Plan clients that deliver events one after the other."""
    return [Clients("webhook", [once(deliveries(path, bodies))] * CLIENTS)]


def _ingest(
    ours: Contender,
    templates: Sequence[EventTemplate],
    enqueueing: Contender,
    working: Contender,
    *,
    pace: Pace,
    report: Report,
) -> dict[str, Ratio]:
    """Deliver events of ever new customers, so that each costs an event row and a job row.

    The default endpoint fetches what an event is about, so it is given real customers.
    """
    samples = interleave(
        f"webhook ingest, {CLIENTS} clients",
        {
            "ours": ours.turn(lambda: delivering(OUR_WEBHOOKS, of_new_customers(templates[0]))),
            "enqueue": enqueueing.turn(
                lambda: delivering(WEBHOOK_PATH, of_new_customers(templates[0]))
            ),
            "default": working.turn(lambda: delivering(WEBHOOK_PATH, round_robin(templates))),
        },
        pace=pace,
        report=report,
    )
    mine, enqueue = samples["ours"], samples["enqueue"]
    return {
        "ingest-rate": compare(mine, enqueue, rate),
        "ingest-cpu": compare(mine, enqueue, cpu),
        "ingest-p99": compare(mine, enqueue, p99),
        "ingest-default": compare(mine, samples["default"], rate),
    }


def _processed(
    system: System,
    templates: Sequence[EventTemplate],
    working: Contender,
    *,
    pace: Pace,
    report: Report,
) -> dict[str, Ratio]:
    """Deliver ten events for each of some customers and wait until all of them are processed."""
    some = templates[:PROCESSED_CUSTOMERS]
    _empty_inbox(system)
    with billing_worker(system.folder, system.environment) as worker:
        samples = interleave(
            "delivery to processed",
            {
                "ours": _processing(system, worker, some),
                "default": working.turn(lambda: delivering(WEBHOOK_PATH, round_robin(some))),
            },
            pace=pace,
            report=report,
        )
    return {"processed": compare(samples["ours"], samples["default"], rate)}


def _processing(system: System, worker: int, templates: Sequence[EventTemplate]) -> Turn:
    def turn(_seconds: float) -> Sample:
        processes = (*system.billing.processes, worker)
        before, started = cpu_seconds(processes), time.perf_counter()
        count = deliver_burst(system.billing, templates)
        wait_until_processed(system)
        elapsed = time.perf_counter() - started
        each = elapsed / count
        cpu_each = (cpu_seconds(processes) - before) / count
        return Sample(count / elapsed, cpu_each, each, each, each, each)

    return turn


def deliver_burst(billing: Contender, templates: Sequence[EventTemplate]) -> int:
    """Deliver ten events a customer in random order, each once, and return how many."""
    bodies = [template.of_its_customer() for template in templates for _ in range(EVENTS_EACH)]
    random.Random(0).shuffle(bodies)  # noqa: S311 # an order, no secret
    [seen] = drive(billing.port, delivering(OUR_WEBHOOKS, iter(bodies)), seconds=600)
    return len(seen.latencies)


def wait_until_processed(system: System) -> None:
    """Return when no stored event is waiting.

    Raises:
        BenchError: Some still wait after five minutes, or failed for good.
    """
    with system.database.connect("billing") as connection:
        for _ in range(10_000):
            [(pending, dead)] = connection.execute(_WAITING).fetchall()
            if dead:
                break
            if not pending:
                return
            time.sleep(0.03)
    log = (system.folder / "worker.log").read_text()[-3000:]
    raise BenchError(f"{pending} events still pending, {dead} dead:\n{log}")


def _empty_inbox(system: System) -> None:
    # What the ingest rounds stored is about customers that do not exist.
    with system.database.connect("billing") as connection:
        connection.execute("TRUNCATE webhooks_webhookevent, procrastinate_jobs CASCADE")


def _burst(
    system: System, templates: Sequence[EventTemplate], *, report: Report
) -> dict[str, Ratio]:
    report(f"a burst of {len(templates) * EVENTS_EACH} events")
    _empty_inbox(system)
    system.meter.forget()
    with billing_worker(system.folder, system.environment):
        deliver_burst(system.billing, templates)
        wait_until_processed(system)
    fetches = sum(call.request_line.startswith("GET") for call in system.meter.calls)
    each = fetches / len(templates)
    report(f"processed with {fetches} fetches")
    return {"fetches": Ratio(each, each, each)}


def _feed_look(system: System, *, pace: Pace, report: Report) -> dict[str, Ratio]:
    report(f"a look at the feed after an import of {IMPORTED_USERS:,} users")
    probe = ROOT / "bench/probes/feed_look.py"
    command = [str(BILLING / ".venv/bin/python"), str(probe), str(IMPORTED_USERS), str(pace.rounds)]
    looks = json.loads(run(command, cwd=BILLING, env=system.environment.billing))
    return {"feed-look": ratio(looks, [0.001] * pace.rounds)}
