"""auth-service against simplejwt: refreshes, log-ins, the key set, verification, memory."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.arithmetic import Ratio, ratio
from bench.calls import client
from bench.limits import limit
from bench.load import Clients, json_post, refreshing, repeat, request_bytes
from bench.ours import BILLING, Environments, auth_service, environments
from bench.peer import peer
from bench.postgres import postgres
from bench.processes import inherited_environment, run, server, worker_memory_bytes
from bench.report import figure
from bench.results import Findings
from bench.rounds import Contender, Pace, Report, compare, cpu, interleave, p99, rate
from bench.setting import PASSWORD, ROOT
from dev.processes.ports import free_port

LOGGING_IN = 16


@dataclass(frozen=True)
class TokenIssuer:
    """A server of tokens: where it listens and under which path."""

    server: Contender
    prefix: str

    def refreshes(self, clients: int) -> Callable[[], Sequence[Clients]]:
        """Plan clients that each follow a refresh family of their own."""
        return lambda: [self._refreshing(clients)]

    def log_ins(self, clients: int) -> Callable[[], Sequence[Clients]]:
        """Plan clients that log in over and over, each as another user."""
        return lambda: [self._logging_in(clients)]

    def refreshes_in_a_storm(self) -> Callable[[], Sequence[Clients]]:
        """Plan eight refreshing clients while others keep logging in."""
        return lambda: [self._refreshing(8), self._logging_in(LOGGING_IN)]

    def log_in(self, user: str) -> dict[str, str]:
        """Log one user in and return both tokens."""
        document = {"username": user, "password": PASSWORD}
        with client(self.server.port) as server:
            tokens: dict[str, str] = server.post(f"{self.prefix}/obtain", json=document).json()
        return tokens

    def _refreshing(self, clients: int) -> Clients:
        tokens = [self.log_in(f"user{number}")["refresh"] for number in range(clients)]
        path = f"{self.prefix}/refresh"
        return Clients("refresh", [refreshing(path, refresh_token=token) for token in tokens])

    def _logging_in(self, clients: int) -> Clients:
        requests = [
            json_post(f"{self.prefix}/obtain", {"username": f"user{number}", "password": PASSWORD})
            for number in range(clients)
        ]
        # A full queue answers 503 with Retry-After, which is its way to protect the refreshes.
        return Clients("log-in", [repeat([request]) for request in requests], frozenset({503}))


def measure(*, pace: Pace, report: Report) -> Findings:
    """Run the token suite.

    Args:
        pace: Rounds and their length.
        report: Receives sentences on the progress.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as temporary,
        postgres() as database,
    ):
        folder = Path(temporary)
        environment = environments(database, folder)
        report("starting auth-service and simplejwt")
        with (
            auth_service(database, folder, environment) as ours,
            peer(database, folder) as theirs,
        ):
            found = _compare(
                TokenIssuer(ours, "/api/token"),
                TokenIssuer(theirs, "/token"),
                environment=environment,
                folder=folder,
                pace=pace,
                report=report,
            )
    capacity = found.pop("client")
    remark = f"The client alone reaches {figure(capacity.median)} times the rate of JWKS requests."
    return Findings(rounds=pace.rounds, ratios=found, remarks=[remark])


def _compare(
    ours: TokenIssuer,
    theirs: TokenIssuer,
    *,
    environment: Environments,
    folder: Path,
    pace: Pace,
    report: Report,
) -> dict[str, Ratio]:
    found = _refresh(ours, theirs, clients=8, pace=pace, report=report)
    before = worker_memory_bytes(ours.server.processes[0])
    found |= _refresh(ours, theirs, clients=32, pace=pace, report=report)
    found |= _obtain(ours, theirs, pace=pace, report=report)
    found |= _storm(ours, theirs, pace=pace, report=report)
    found |= _key_set(ours, folder=folder, pace=pace, report=report)
    found |= _verification(ours, environment=environment, pace=pace, report=report)
    after = worker_memory_bytes(ours.server.processes[0])
    return found | {"memory": ratio([after], [before])}


def _refresh(
    ours: TokenIssuer, theirs: TokenIssuer, *, clients: int, pace: Pace, report: Report
) -> dict[str, Ratio]:
    samples = interleave(
        f"refresh, {clients} clients",
        {
            "ours": ours.server.turn(ours.refreshes(clients)),
            "peer": theirs.server.turn(theirs.refreshes(clients)),
            "limit": limit("refresh"),
        },
        pace=pace,
        report=report,
    )
    mine, peers = samples["ours"], samples["peer"]
    return {
        f"refresh-{clients}-rate": compare(mine, peers, rate),
        f"refresh-{clients}-cpu": compare(mine, peers, cpu),
        f"refresh-{clients}-p99": compare(mine, peers, p99),
        "refresh-limit": compare(mine, samples["limit"], rate),
    }


def _obtain(
    ours: TokenIssuer, theirs: TokenIssuer, *, pace: Pace, report: Report
) -> dict[str, Ratio]:
    samples = interleave(
        "obtain, 8 clients",
        {
            "ours": ours.server.turn(ours.log_ins(8)),
            "peer": theirs.server.turn(theirs.log_ins(8)),
            "limit": limit("password"),
        },
        pace=pace,
        report=report,
    )
    return {
        "obtain-rate": compare(samples["ours"], samples["peer"], rate),
        "obtain-limit": compare(samples["ours"], samples["limit"], rate),
    }


def _storm(
    ours: TokenIssuer, theirs: TokenIssuer, *, pace: Pace, report: Report
) -> dict[str, Ratio]:
    samples = interleave(
        f"refresh while {LOGGING_IN} clients log in",
        {
            "ours": ours.server.turn(ours.refreshes_in_a_storm()),
            "peer": theirs.server.turn(theirs.refreshes_in_a_storm()),
        },
        pace=pace,
        report=report,
    )
    return {"storm-p99": compare(samples["ours"], samples["peer"], p99)}


def _key_set(ours: TokenIssuer, *, folder: Path, pace: Pace, report: Report) -> dict[str, Ratio]:
    request = request_bytes("GET", "/.well-known/jwks.json")

    def plan() -> Sequence[Clients]:
        return [Clients("JWKS", [repeat([request])] * 8)]

    port = free_port()
    command = [sys.executable, "-m", "bench.echo", str(port)]
    log = folder / "echo.log"
    with server(command, cwd=ROOT, env=inherited_environment(), port=port, log=log) as pid:
        samples = interleave(
            "JWKS, 8 clients",
            {
                "JWKS": ours.server.turn(plan),
                "refresh": ours.server.turn(ours.refreshes(8)),
                "client": Contender(port=port, processes=(pid,)).turn(plan),
            },
            pace=pace,
            report=report,
        )
    return {
        "jwks": compare(samples["JWKS"], samples["refresh"], rate),
        "client": compare(samples["client"], samples["JWKS"], rate),
    }


def _verification(
    ours: TokenIssuer, *, environment: Environments, pace: Pace, report: Report
) -> dict[str, Ratio]:
    token = ours.log_in("user0")["access"]
    report("verification inside billing-service")
    probe = ROOT / "bench/probes/verification.py"
    command = [str(BILLING / ".venv/bin/python"), str(probe), token, str(pace.rounds)]
    rounds = json.loads(run(command, cwd=BILLING, env=environment.billing))
    return {"verify": ratio(rounds["verifier"], rounds["pyjwt"])}
