"""What a call of the sandbox costs, and how little that grows with what it stores."""

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.load import Clients, once, repeat, request_bytes
from bench.ours import SANDBOX
from bench.processes import inherited_environment, run, server
from bench.results import Findings
from bench.rounds import Contender, Pace, Report, Turn, compare, cpu, interleave
from bench.setting import ROOT
from dev.processes.ports import free_port

SMALL = 1_000
LARGE = 100_000
QUICK = 10_000
SUBSCRIBERS = 20_000
SAMPLE = 500

_KEY = {"Authorization": "Bearer sk_test_sandbox"}
_FORM = {**_KEY, "Content-Type": "application/x-www-form-urlencoded"}


def measure(*, pace: Pace, report: Report) -> Findings:
    """Run the sandbox suite: two sandboxes side by side, one with far more customers.

    Args:
        pace: Rounds and their length; a quick one stores a tenth.
        report: Receives sentences on the progress.
    """
    large = QUICK if pace.quick else LARGE
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        sides = {}
        for name, customers in (("few", SMALL), ("many", large)):
            report(f"storing {customers:,} customers")
            sides[name] = stack.enter_context(_filled(folder / name, customers))
        ratios = {}
        for goal, requests in _READS.items():
            turns = {name: side.asking(requests) for name, side in sides.items()}
            found = interleave(goal, turns, pace=pace, report=report)
            ratios[goal] = compare(found["many"], found["few"], cpu)
        found = interleave(
            "sandbox-subscribe",
            {
                "subscribe": sides["many"].subscribing(),
                "read": sides["many"].asking(_reads),
            },
            pace=pace,
            report=report,
        )
        ratios["sandbox-subscribe"] = compare(found["subscribe"], found["read"], cpu)
    return Findings(pace.rounds, ratios)


@dataclass(frozen=True)
class Side:
    """A running sandbox and the ids of its customers, those with a card first."""

    contender: Contender
    customers: list[str]

    def asking(self, requests: Callable[[list[str]], list[bytes]]) -> Turn:
        """Ask the same requests round and round."""
        asked = requests(self.customers)
        return self.contender.turn(lambda: [Clients("reading", [repeat(asked)])])

    def subscribing(self) -> Turn:
        """Subscribe one customer after the other, each once."""
        waiting = iter(self.customers[:SUBSCRIBERS])

        def requests() -> Iterator[bytes]:
            for customer in waiting:
                values = {"customer": customer, "items[0][price]": "price_sandbox_basic"}
                body = urlencode(values).encode()
                yield request_bytes("POST", "/v1/subscriptions", headers=_FORM, body=body)

        return self.contender.turn(lambda: [Clients("subscribing", [once(requests())])])


@contextmanager
def _filled(folder: Path, customers: int) -> Iterator[Side]:
    """Serve a sandbox whose data file holds so many customers."""
    folder.mkdir()
    file, port = folder / "sandbox.sqlite3", free_port()
    python, environment = str(SANDBOX / ".venv/bin/python"), inherited_environment()
    fill = [python, str(ROOT / "bench/probes/fill_sandbox.py"), str(file), str(customers)]
    ids = run([*fill, str(min(customers, SUBSCRIBERS))], cwd=SANDBOX, env=environment).split()
    seed = json.loads((SANDBOX / "seeds/demo.json").read_text())
    (folder / "seed.json").write_text(json.dumps({**seed, "webhook_endpoints": []}))
    command = [str(SANDBOX / ".venv/bin/stripe-sandbox"), "serve", "--port", str(port)]
    command += ["--data", str(file), "--seed-file", str(folder / "seed.json")]
    log = folder / "sandbox.log"
    with server(command, cwd=SANDBOX, env=environment, port=port, log=log) as pid:
        yield Side(Contender(port=port, processes=(pid,)), ids)


def _get(path: str, **values: object) -> bytes:
    return request_bytes("GET", f"{path}?{urlencode(values)}", headers=_KEY)


def _sample(customers: list[str]) -> list[int]:
    """Numbers of customers from all over the file."""
    return random.Random(0).choices(range(len(customers)), k=SAMPLE)  # noqa: S311 # a sample


def _reads(customers: list[str]) -> list[bytes]:
    return [_get(f"/v1/customers/{customers[number]}") for number in _sample(customers)]


def _lists(customers: list[str]) -> list[bytes]:
    """Full pages from all over the file."""
    return [
        _get("/v1/customers", limit=100, starting_after=customers[max(100, number)])
        for number in _sample(customers)
    ]


def _searches(customers: list[str]) -> list[bytes]:
    """Searches that find one customer: by metadata, by address, by a part of it."""
    return [
        _get("/v1/customers/search", query=query)
        for number in _sample(customers)
        for query in (
            f"metadata['user_id']:'{number}'",
            f"email:'user{number}@example.com' AND created>0",
            f"email~'user{number}@exa'",
        )
    ]


_READS = {"sandbox-read": _reads, "sandbox-list": _lists, "sandbox-search": _searches}
